/** The header of all pages: workspace, connection, navigation, theme and sound. */

import { Mark } from "../components/mark.tsx";
import { ListenButton } from "../features/listen/listen-button.tsx";
import { isOverview, type Overview, type Route } from "../format/route.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { useSession } from "../hooks/session-context.ts";
import { useLink } from "../hooks/use-link.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { type Permission, serverPermissions } from "../live/session.ts";
import type { Theme } from "../styles/palette.ts";
import { AccountMenu } from "./account-menu.tsx";
import { ConnectionStatus } from "./connection-status.tsx";
import { OutdatedNotice } from "./outdated-notice.tsx";
import type { Workspaces } from "./use-workspaces.ts";
import { WorkspaceChoice } from "./workspace-choice.tsx";

/** The pages, and the right that each one needs. That of the cluster concerns the installation. */
const PAGES: readonly [Overview, string, Permission][] = [
  ["grid", "KPIs", "read"],
  ["anomalies", "Anomalies", "read"],
  ["cluster", "Cluster", "read-server"],
  ["detectors", "Detectors", "read"],
  ["import", "Import", "upload"],
];

interface Props {
  route: Route;
  workspaces: Workspaces;
  /** What may be done in the workspace. */
  may: ReadonlySet<Permission>;
  theme: Theme;
  onTheme(theme: Theme): void;
}

export function Header({ route, workspaces, may, theme, onTheme }: Props) {
  const { store } = useAppContext();
  const link = useLink();
  const pages = usePages(may);
  useSignal(store.anomaliesChanged);
  const open = store.state.openAnomalies;
  // Those who only hear have the button on their page.
  const listens = may.has("listen") && (may.has("read") || !isOverview(route.page));
  return (
    <header className="top">
      <a className="brand" href={link({ page: "grid" })} aria-label="Earcon, all KPIs">
        <Mark />
        <span>Earcon</span>
      </a>
      <WorkspaceChoice route={route} workspaces={workspaces} may={may} />
      {may.has("read") && <ConnectionStatus />}
      <nav aria-label="Pages">
        {pages.map(([each, name]) => (
          <a key={each} href={link({ page: each })} aria-current={route.page === each ? "page" : undefined}>
            {name}
            {each === "anomalies" && open > 0 && <span className="badge">{open}</span>}
          </a>
        ))}
      </nav>
      <ThemeButton theme={theme} onTheme={onTheme} />
      <AccountMenu />
      {listens && <ListenButton />}
      <OutdatedNotice />
    </header>
  );
}

/** The pages that the session may see. A single one needs no link. */
function usePages(may: ReadonlySet<Permission>): readonly (typeof PAGES)[number][] {
  const session = useSession();
  const server = serverPermissions(session);
  const shown = PAGES.filter(([, , right]) => (right === "read-server" ? server : may).has(right));
  return shown.length > 1 ? shown : [];
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };
const ICONS: Record<Theme, string> = { auto: "◐", dark: "☾", light: "☀" };

function ThemeButton({ theme, onTheme }: { theme: Theme; onTheme(theme: Theme): void }) {
  return (
    <button
      type="button"
      className="icon"
      data-testid="theme"
      aria-label={`Colours: ${theme}`}
      title={`Colours: ${theme === "auto" ? "as the system" : theme}`}
      onClick={() => onTheme(NEXT_THEME[theme])}
    >
      {ICONS[theme]}
    </button>
  );
}
