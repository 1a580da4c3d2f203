/** Links to the parts of a page. */

interface Props {
  label: string;
  current: string;
  tabs: readonly { id: string; name: string; href: string }[];
}

export function Tabs({ label, current, tabs }: Props) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(({ id, name, href }) => (
        <a key={id} href={href} aria-current={id === current ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}
