/** The dashboard: one workspace, followed live, and the pages of accounts. */

import { useEffect, useMemo } from "react";
import { type Fetch, Player } from "@earcon/client";
import { AnomalyFeed } from "../features/anomalies/anomaly-feed.tsx";
import { ClosedIncidents } from "../features/incidents/closed-incidents.tsx";
import { IncidentList } from "../features/incidents/incident-list.tsx";
import { declareUnits } from "../format/units.ts";
import { type GridView, isGrid, type Route } from "../format/route.ts";
import { AppContext, useAppContext } from "../hooks/app-context.ts";
import { useSession, useSessionStore } from "../hooks/session-context.ts";
import { useOutdated } from "../hooks/use-outdated.ts";
import { useRoute } from "../hooks/use-route.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { readStored, useStored } from "../hooks/use-stored.ts";
import { type Permission, permissionsIn } from "../live/session.ts";
import { Signal } from "../live/signal.ts";
import { WorkspaceStore } from "../live/workspace-store.ts";
import { applyTheme, type Theme } from "../styles/palette.ts";
import { Header } from "./header.tsx";
import { Page } from "./page.tsx";
import { useShortcuts } from "./use-shortcuts.ts";
import { useWorkspaces, type Workspaces } from "./use-workspaces.ts";

/** @param active whether the session lasts; otherwise nothing is asked of the server */
export function Dashboard({ active }: { active: boolean }) {
  const session = useSession();
  const { fetch } = useSessionStore();
  const route = useRoute();
  const workspaces = useWorkspaces(route);
  const { workspace } = workspaces;
  const context = useMemo(() => createAppContext(workspace, fetch), [workspace, fetch]);
  const may = permissionsIn(session, workspace);
  if (isGrid(route)) {
    context.view.current = gridView(route);
  }
  const follows = active && may.has("read") && workspaces.known;
  useEffect(() => {
    const { store } = context;
    if (!follows) {
      return;
    }
    declareUnits(store.units);
    const forget = store.unitsChanged.subscribe(() => declareUnits(store.units));
    store.start();
    return () => {
      forget();
      store.stop();
    };
  }, [context, follows]);
  const hears = active && may.has("listen");
  useEffect(() => (hears ? () => context.player.stop() : undefined), [context, hears]);
  return (
    <AppContext value={context}>
      <Frame route={route} workspaces={workspaces} may={may} />
    </AppContext>
  );
}

interface FrameProps {
  route: Route;
  workspaces: Workspaces;
  /** What may be done in the workspace. */
  may: ReadonlySet<Permission>;
}

function Frame({ route, workspaces, may }: FrameProps) {
  const [theme, setTheme] = useStored("theme", "auto");
  useEffect(() => applyTheme(theme as Theme), [theme]);
  const { workspace, known } = workspaces;
  const context = useAppContext();
  useShortcuts(context, may.has("listen"));
  const reads = may.has("read") && known;
  const cards = isGrid(route) && reads;
  return (
    <>
      <a className="skip" href="#main" onClick={skipToContent}>
        Skip to content
      </a>
      <Header route={route} workspaces={workspaces} may={may} theme={theme as Theme} onTheme={setTheme} />
      <Title />
      {cards && <IncidentList selected={route.incident} />}
      {cards && route.page === "anomalies" && <ClosedIncidents key={workspace} selected={route.incident} />}
      <div className={`body on-${isGrid(route) && !reads ? "other" : route.page}`}>
        <main id="main" tabIndex={-1}>
          {known ? <Page key={workspace} route={route} workspace={workspace} may={may} /> : <Connecting />}
        </main>
        {cards && <AnomalyFeed />}
      </div>
      <footer>
        {reads && (
          <span>
            <kbd>/</kbd> filter {may.has("listen") && <ListenKey />} <kbd>← ↑ ↓ →</kbd> move between cards
          </span>
        )}
      </footer>
    </>
  );
}

function ListenKey() {
  return (
    <>
      <kbd>l</kbd> listen
    </>
  );
}

function Connecting() {
  return (
    <section className="empty" aria-busy="true">
      <p>Connecting…</p>
    </section>
  );
}

function gridView({ filter, order }: GridView): GridView {
  return { ...(filter === undefined ? {} : { filter }), ...(order === undefined ? {} : { order }) };
}

function createAppContext(workspace: string, fetch: Fetch): AppContext {
  const playerChanged = new Signal();
  const volume = Number(readStored("volume") ?? "0.8");
  const player = new Player({ volume, onChange: () => playerChanged.emit() });
  return { store: new WorkspaceStore(workspace, fetch), player, playerChanged, view: { current: {} } };
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
