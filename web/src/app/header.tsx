/** The header of all pages: workspace, connection, navigation, theme and sound. */

import { useState } from "react";
import type { Route } from "../format/route.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { useLink } from "../hooks/use-link.ts";
import { openRoute } from "../hooks/use-route.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { ListenButton } from "../features/listen/listen-button.tsx";
import type { Theme } from "../styles/palette.ts";
import { ConnectionStatus } from "./connection-status.tsx";
import { DeleteWorkspace } from "./delete-workspace.tsx";
import { NewWorkspace } from "./new-workspace.tsx";
import { OutdatedNotice } from "./outdated-notice.tsx";

const PAGES = [
  ["grid", "KPIs"],
  ["anomalies", "Anomalies"],
  ["cluster", "Cluster"],
  ["detectors", "Detectors"],
  ["import", "Import"],
] as const;

interface Props {
  page: Route["page"];
  workspaces: string[];
  /** Whether this page may create workspaces, and delete them. */
  mayCreate: boolean;
  theme: Theme;
  onTheme(theme: Theme): void;
  /** The workspace was deleted. */
  onDeleted(workspace: string): void;
}

export function Header({ page, workspaces, mayCreate, theme, onTheme, onDeleted }: Props) {
  const [dialog, setDialog] = useState<typeof NEW | typeof DELETE | null>(null);
  const { store } = useAppContext();
  const { workspace } = store.api;
  const link = useLink();
  useSignal(store.anomaliesChanged);
  useSignal(store.connectionChanged);
  const open = store.state.openAnomalies;
  return (
    <header className="top">
      <a className="brand" href={link({ page: "grid" })} aria-label="Earcon, all KPIs">
        <Mark />
        <span>Earcon</span>
      </a>
      <select
        aria-label="Workspace"
        value={workspace}
        onChange={({ currentTarget }) => {
          const chosen = currentTarget.value;
          if (chosen !== NEW && chosen !== DELETE) {
            openWorkspace(page, chosen);
            return;
          }
          currentTarget.value = workspace;
          setDialog(chosen);
        }}
      >
        {workspaces.map((each) => (
          <option key={each}>{each}</option>
        ))}
        {mayCreate && <option value={NEW}>New workspace…</option>}
        {mayCreate && !store.missing && <option value={DELETE}>Delete this workspace…</option>}
      </select>
      {dialog === NEW && <NewWorkspace close={() => setDialog(null)} created={(name) => openWorkspace(page, name)} />}
      {dialog === DELETE && <DeleteWorkspace key={workspace} close={() => setDialog(null)} deleted={onDeleted} />}
      <ConnectionStatus />
      <nav aria-label="Pages">
        {PAGES.map(([each, name]) => (
          <a key={each} href={link({ page: each })} aria-current={page === each ? "page" : undefined}>
            {name}
            {each === "anomalies" && open > 0 && <span className="badge">{open}</span>}
          </a>
        ))}
      </nav>
      <ThemeButton theme={theme} onTheme={onTheme} />
      <ListenButton />
      <OutdatedNotice />
    </header>
  );
}

/** The values of the options for a new workspace, and to delete this one. No workspace has them. */
const NEW = "+";
const DELETE = "-";

/** Shows the same page of another workspace. A KPI of this one may not exist there. */
function openWorkspace(page: Route["page"], workspace: string): void {
  openRoute({ page: page === "kpi" ? "grid" : page, workspace });
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
