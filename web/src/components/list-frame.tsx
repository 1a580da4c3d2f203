/**
 * A titled list: number of open items, a problem, the items or an empty state, and a button for
 * older items.
 */

import type { ReactNode } from "react";

interface Props {
  as: "aside" | "section";
  className: string;
  title: string;
  /** Accessible name, if it differs from the title. */
  label?: string;
  /** Number shown next to the title. Hidden if it is 0. */
  open?: number;
  openTestId?: string;
  /** Why the items could not be loaded. */
  problem?: string | null;
  retry?: () => void;
  /** Shown if there are no items. */
  empty: string;
  listClassName?: string;
  items: ReactNode[];
  /** Loads older items. Absent if there are none. */
  loadMore?: (() => void) | undefined;
  children?: ReactNode;
}

export function ListFrame(props: Props) {
  const { as: Element, className, title, label = title, open = 0, problem = null, items, loadMore } = props;
  return (
    <Element className={className} aria-label={label}>
      <h2>
        {title}{" "}
        {open > 0 && (
          <span className="badge" data-testid={props.openTestId}>
            {open} open
          </span>
        )}
      </h2>
      {problem !== null && <Problem title={title} problem={problem} retry={props.retry} />}
      {items.length === 0 && problem === null && <p className="empty-note">{props.empty}</p>}
      <ul className={props.listClassName}>{items}</ul>
      {loadMore !== undefined && (
        <button type="button" className="quiet more" onClick={loadMore}>
          Show older
        </button>
      )}
      {props.children}
    </Element>
  );
}

function Problem({ title, problem, retry }: { title: string; problem: string; retry: (() => void) | undefined }) {
  return (
    <p className="notice" role="alert">
      {title} could not be loaded: {problem}{" "}
      {retry !== undefined && (
        <button type="button" className="quiet" onClick={retry}>
          Try again
        </button>
      )}
    </p>
  );
}
