/** The dashboard: one workspace, followed live, on one of six pages. */

import { useEffect, useMemo, useRef, useState } from "react";
import { Client, Player } from "@earcon/client";
import { AnomalyFeed } from "../features/anomalies/anomaly-feed.tsx";
import { ClusterPage } from "../features/cluster/cluster-page.tsx";
import { DetectorsPage } from "../features/detectors/detectors-page.tsx";
import { ImportPage } from "../features/import/import-page.tsx";
import { IncidentList } from "../features/incidents/incident-list.tsx";
import { GridPage } from "../features/kpis/grid-page.tsx";
import { KpiPage } from "../features/kpis/kpi-page.tsx";
import type { Route } from "../format/route.ts";
import { AppContext, useAppContext } from "../hooks/app-context.ts";
import { useRoute } from "../hooks/use-route.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { readStored, useStored } from "../hooks/use-stored.ts";
import { Signal } from "../live/signal.ts";
import { WorkspaceStore } from "../live/workspace-store.ts";
import { applyTheme, type Theme } from "../styles/palette.ts";
import { Header } from "./header.tsx";
import { useShortcuts } from "./use-shortcuts.ts";

const DEFAULT_WORKSPACE = "local";

export function App() {
  const [theme, setTheme] = useStored("theme", "auto");
  const route = useRoute();
  const { workspaces, workspace, select } = useWorkspaces(route.page === "grid" ? route.workspace : undefined);
  const context = useMemo(() => createAppContext(workspace), [workspace]);
  useEffect(() => {
    context.store.start();
    return () => {
      context.player.stop();
      context.store.stop();
    };
  }, [context]);
  useEffect(() => applyTheme(theme as Theme), [theme]);
  useShortcuts(context);
  const withLists = route.page === "grid" || route.page === "anomalies";
  return (
    <AppContext value={context}>
      <a className="skip" href="#main" onClick={skipToContent}>
        Skip to content
      </a>
      <Header
        page={route.page}
        workspaces={workspaces}
        workspace={workspace}
        onWorkspace={(workspace) => {
          location.hash = "#/";
          select(workspace);
        }}
        theme={theme as Theme}
        onTheme={setTheme}
      />
      <Title />
      {withLists && <IncidentList />}
      <div className={`body on-${route.page}`}>
        <main id="main" tabIndex={-1}>
          <Page route={route} workspace={workspace} />
        </main>
        {withLists && <AnomalyFeed />}
      </div>
      <footer>
        <span>
          <kbd>/</kbd> filter <kbd>l</kbd> listen <kbd>← ↑ ↓ →</kbd> move between cards
        </span>
      </footer>
    </AppContext>
  );
}

function Page({ route, workspace }: { route: Route; workspace: string }) {
  switch (route.page) {
    case "kpi":
      return <KpiPage key={route.kpi} route={route} />;
    case "cluster":
      return <ClusterPage workspace={workspace} />;
    case "detectors":
      return <DetectorsPage />;
    case "import":
      return <ImportPage />;
    case "grid":
    case "anomalies":
      return <GridPage />;
  }
}

/** @param linked the workspace that the address names */
function useWorkspaces(linked: string | undefined) {
  const [workspaces, setWorkspaces] = useState<string[]>([]);
  const [workspace, select] = useStored("workspace", DEFAULT_WORKSPACE);
  const latest = useRef(workspace);
  latest.current = workspace;
  useEffect(() => {
    void new Client().workspaces().then(
      (answer) => {
        const names = answer.map(({ id }) => id).sort();
        setWorkspaces(names);
        const first = names[0];
        // The stored or the default workspace may not exist on this server.
        if (first !== undefined && !names.includes(latest.current)) {
          select(names.includes(DEFAULT_WORKSPACE) ? DEFAULT_WORKSPACE : first);
        }
      },
      // The connection status reports the problem.
      () => undefined,
    );
  }, []);
  useEffect(() => {
    if (linked !== undefined) {
      select(linked);
      // The workspace may have been created after the list was loaded.
      setWorkspaces((known) => (known.includes(linked) ? known : [...known, linked].sort()));
      location.replace("#/");
    }
  }, [linked]);
  return { workspaces, workspace, select };
}

function createAppContext(workspace: string): AppContext {
  const playerChanged = new Signal();
  const volume = Number(readStored("volume") ?? "0.8");
  const player = new Player({ volume, onChange: () => playerChanged.emit() });
  return { store: new WorkspaceStore(workspace), player, playerChanged };
}

/** Moves the focus. Following the link would replace the route in the address. */
function skipToContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Shows the number of open anomalies in the title of the window. */
function Title() {
  const { store } = useAppContext();
  useSignal(store.anomaliesChanged);
  const open = store.state.openAnomalies;
  useEffect(() => {
    document.title = open > 0 ? `(${open}) Earcon` : "Earcon";
  }, [open]);
  return null;
}
