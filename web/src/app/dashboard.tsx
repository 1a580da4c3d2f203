/** The dashboard: one workspace, followed live, on one of six pages. */

import { useEffect, useMemo, useState } from "react";
import { Client, Player } from "@earcon/client";
import { AnomalyFeed } from "../features/anomalies/anomaly-feed.tsx";
import { ClusterPage } from "../features/cluster/cluster-page.tsx";
import { DetectorsPage } from "../features/detectors/detectors-page.tsx";
import { ImportPage } from "../features/import/import-page.tsx";
import { ClosedIncidents } from "../features/incidents/closed-incidents.tsx";
import { IncidentList } from "../features/incidents/incident-list.tsx";
import { GridPage } from "../features/kpis/grid-page.tsx";
import { KpiPage } from "../features/kpis/kpi-page.tsx";
import { NoSuchWorkspace } from "../features/kpis/no-such-workspace.tsx";
import { declareUnits } from "../format/units.ts";
import { type GridView, isGrid, type Route } from "../format/route.ts";
import { AppContext, useAppContext } from "../hooks/app-context.ts";
import { useOutdated } from "../hooks/use-outdated.ts";
import { replaceRoute, useRoute } from "../hooks/use-route.ts";
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
  const { workspaces, workspace, mayCreate, leave } = useWorkspaces(route);
  const context = useMemo(() => createAppContext(workspace), [workspace]);
  if (isGrid(route)) {
    context.view.current = gridView(route);
  }
  useEffect(() => {
    const { store } = context;
    declareUnits(store.units);
    const forget = store.unitsChanged.subscribe(() => declareUnits(store.units));
    store.start();
    return () => {
      forget();
      context.player.stop();
      context.store.stop();
    };
  }, [context]);
  useEffect(() => applyTheme(theme as Theme), [theme]);
  useShortcuts(context);
  return (
    <AppContext value={context}>
      <a className="skip" href="#main" onClick={skipToContent}>
        Skip to content
      </a>
      <Header
        page={route.page}
        workspaces={workspaces}
        mayCreate={mayCreate}
        theme={theme as Theme}
        onTheme={setTheme}
        onDeleted={leave}
      />
      <Title />
      {isGrid(route) && <IncidentList selected={route.incident} />}
      {route.page === "anomalies" && <ClosedIncidents key={workspace} selected={route.incident} />}
      <div className={`body on-${route.page}`}>
        <main id="main" tabIndex={-1}>
          <Page key={workspace} route={route} workspace={workspace} />
        </main>
        {isGrid(route) && <AnomalyFeed />}
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
  const { store } = useAppContext();
  useSignal(store.connectionChanged);
  if (store.missing && route.page !== "cluster") {
    return <NoSuchWorkspace />;
  }
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
      return <GridPage route={route} />;
  }
}

interface Workspaces {
  workspaces: string[];
  workspace: string;
  /** Whether this page may create workspaces. */
  mayCreate: boolean;
  /** Shows another workspace, because this one was deleted. */
  leave(workspace: string): void;
}

/**
 * The workspace that the address names. An address without one is completed with the workspace used
 * last, so that it can be shared.
 */
function useWorkspaces(route: Route): Workspaces {
  /** null before the server's answer. Empty if there is none. */
  const [names, setNames] = useState<string[] | null>(null);
  const [mayCreate, setMayCreate] = useState(false);
  const [last, remember] = useStored("workspace", DEFAULT_WORKSPACE);
  const [order] = useStored("order", "name");
  const workspace = route.workspace ?? last;
  useEffect(() => {
    void new Client().workspaceList().then(
      ({ workspaces, may_create }) => {
        setNames(workspaces.map(({ id }) => id));
        setMayCreate(may_create);
      },
      // The connection status reports the problem.
      () => setNames([]),
    );
  }, []);
  useEffect(() => {
    if (route.workspace !== undefined) {
      remember(route.workspace);
    } else if (names !== null) {
      const preferred = isGrid(route) && order === "score" ? { order } : {};
      replaceRoute({ ...preferred, ...route, workspace: existing(names, last) } as Route);
    }
  });
  // The workspace may have been created after the list was loaded, or not yet.
  const workspaces = [...new Set([...(names ?? []), workspace])].sort();
  const leave = (deleted: string) => {
    const rest = (names ?? []).filter((name) => name !== deleted);
    setNames(rest);
    const next = existing(rest, DEFAULT_WORKSPACE);
    remember(next);
    replaceRoute({ page: "grid", workspace: next });
  };
  return { workspaces, workspace, mayCreate, leave };
}

/** The workspace used last or the default one, if the server has it. */
function existing(names: readonly string[], last: string): string {
  const known = [last, DEFAULT_WORKSPACE].find((name) => names.includes(name));
  return known ?? [...names].sort()[0] ?? last;
}

function gridView({ filter, order }: GridView): GridView {
  return { ...(filter === undefined ? {} : { filter }), ...(order === undefined ? {} : { order }) };
}

function createAppContext(workspace: string): AppContext {
  const playerChanged = new Signal();
  const volume = Number(readStored("volume") ?? "0.8");
  const player = new Player({ volume, onChange: () => playerChanged.emit() });
  return { store: new WorkspaceStore(workspace), player, playerChanged, view: { current: {} } };
}

/** Moves the focus. Following the link would replace the route in the address. */
function skipToContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Shows the number of open anomalies in the title of the window, if it is known. */
function Title() {
  const { store } = useAppContext();
  useSignal(store.anomaliesChanged);
  const open = store.state.openAnomalies;
  const outdated = useOutdated() !== null;
  useEffect(() => {
    document.title = outdated ? "(?) Earcon: no connection" : open > 0 ? `(${open}) Earcon` : "Earcon";
  }, [open, outdated]);
  return null;
}
