/** The header of all pages: workspace, connection, navigation, theme and sound. */

import { useAppContext } from "../hooks/app-context.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { ListenButton } from "../features/listen/listen-button.tsx";
import type { Theme } from "../styles/palette.ts";
import { ConnectionStatus } from "./connection-status.tsx";

interface Props {
  page: string;
  workspaces: string[];
  workspace: string;
  onWorkspace(workspace: string): void;
  theme: Theme;
  onTheme(theme: Theme): void;
}

export function Header({ page, workspaces, workspace, onWorkspace, theme, onTheme }: Props) {
  const { store } = useAppContext();
  useSignal(store.anomaliesChanged);
  const open = store.state.openAnomalies;
  return (
    <header className="top">
      <a className="brand" href="#/" aria-label="Earcon, all KPIs">
        <Mark />
        <span>Earcon</span>
      </a>
      {workspaces.length > 1 && (
        <select aria-label="Workspace" value={workspace} onChange={(event) => onWorkspace(event.target.value)}>
          {workspaces.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      )}
      <ConnectionStatus />
      <nav aria-label="Pages">
        <a href="#/" aria-current={page === "grid" ? "page" : undefined}>
          KPIs
        </a>
        <a href="#/anomalies" aria-current={page === "anomalies" ? "page" : undefined}>
          Anomalies {open > 0 && <span className="badge">{open}</span>}
        </a>
        <a href="#/cluster" aria-current={page === "cluster" ? "page" : undefined}>
          Cluster
        </a>
        <a href="#/detectors" aria-current={page === "detectors" ? "page" : undefined}>
          Detectors
        </a>
        <a href="#/import" aria-current={page === "import" ? "page" : undefined}>
          Import
        </a>
      </nav>
      <ThemeButton theme={theme} onTheme={onTheme} />
      <ListenButton />
    </header>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="8" />
      <path d="M7 14.5v3M11.5 11.5v9M16 6.5v19M20.5 12.5v7M25 14.8v2.4" />
    </svg>
  );
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
