/** The top of every page: where one is, whether the picture is live, and the sound. */

import { useSignal, useNow, useSurroundings } from "../hooks/app-context.ts";
import { ListenButton } from "../features/listen/listen-panel.tsx";
import type { Theme } from "../styles/palette.ts";

/** After so many failures in a row, "reconnecting" would promise too much. */
const OFFLINE_AFTER = 5;

interface Props {
  page: string;
  workspaces: string[];
  workspace: string;
  onWorkspace(workspace: string): void;
  theme: Theme;
  onTheme(theme: Theme): void;
}

export function Header({ page, workspaces, workspace, onWorkspace, theme, onTheme }: Props) {
  const { station } = useSurroundings();
  useSignal(station.news);
  const open = station.board.open;
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
      <Connection />
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

function Connection() {
  const { station } = useSurroundings();
  useSignal(station.link);
  const { phase, retryAt, failures, cursor } = station.connection;
  const state = station.empty ? "empty" : phase === "waiting" && failures >= OFFLINE_AFTER ? "offline" : phase;
  const words = {
    idle: "Stopped",
    connecting: cursor === null ? "Connecting" : "Reconnecting",
    subscribing: "Catching up",
    live: "Live",
    waiting: "Reconnecting",
    offline: "Offline",
    empty: "Ready",
  }[state];
  const waits = state === "waiting" || state === "offline";
  return (
    <span className={`connection is-${state}`} data-testid="connection" data-phase={state}>
      <i aria-hidden="true" />
      <span role="status">{words}</span>
      {waits && retryAt !== null && <Countdown until={retryAt} />}
      {waits && (
        <button type="button" className="quiet" onClick={() => station.hurry()}>
          Now
        </button>
      )}
    </span>
  );
}

/** Not part of the status, so that screen readers do not count along. */
function Countdown({ until }: { until: number }) {
  const now = useNow();
  return <span aria-hidden="true"> in {Math.max(0, Math.ceil((until - now) / 1_000))} s</span>;
}

const NEXT: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };
const ICONS: Record<Theme, string> = { auto: "◐", dark: "☾", light: "☀" };

function ThemeButton({ theme, onTheme }: { theme: Theme; onTheme(theme: Theme): void }) {
  return (
    <button
      type="button"
      className="icon"
      data-testid="theme"
      aria-label={`Colours: ${theme}`}
      title={`Colours: ${theme === "auto" ? "as the system" : theme}`}
      onClick={() => onTheme(NEXT[theme])}
    >
      {ICONS[theme]}
    </button>
  );
}
