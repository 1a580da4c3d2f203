/** The dashboard: one workspace, followed live, on one of six pages. */

import { useEffect, useMemo, useRef, useState } from "react";
import { Player } from "@earcon/client";
import { Signal } from "../live/signal.ts";
import { Station } from "../live/workspace-store.ts";
import { ClusterPage } from "../features/cluster/cluster-page.tsx";
import { DetectorsPage } from "../features/detectors/detectors-page.tsx";
import { Feed } from "../features/anomalies/anomaly-feed.tsx";
import { Grid } from "../features/kpis/grid-page.tsx";
import { Header } from "./header.tsx";
import { recall, SurroundingsContext, useKept, useRoute, useSignal, useSurroundings, type Surroundings } from "../hooks/app-context.ts";
import { Incidents } from "../features/incidents/incident-list.tsx";
import { ImportPage } from "../features/import/import-page.tsx";
import { KpiPage } from "../features/kpis/kpi-page.tsx";
import { applyTheme, type Theme } from "../styles/palette.ts";

const FIRST_CHOICE = "local";

export function App() {
  const [workspaces, setWorkspaces] = useState<string[]>([]);
  const [workspace, setWorkspace] = useKept("workspace", FIRST_CHOICE);
  const [theme, setTheme] = useKept("theme", "auto");
  const route = useRoute();
  const asked = route.page === "grid" ? route.workspace : undefined;
  const latest = useRef(workspace);
  latest.current = workspace;
  const surroundings = useMemo(() => surroundingsOf(workspace), [workspace]);
  useEffect(() => {
    surroundings.station.start();
    return () => {
      surroundings.listener.stop();
      surroundings.station.stop();
    };
  }, [surroundings]);
  useEffect(() => applyTheme(theme as Theme), [theme]);
  useEffect(() => {
    void surroundings.station.api.workspaces().then(
      (answer) => {
        const names = answer.map(({ id }) => id).sort();
        setWorkspaces(names);
        const first = names[0];
        // What was chosen before, or is the custom, may not exist here.
        if (first !== undefined && !names.includes(latest.current)) {
          setWorkspace(names.includes(FIRST_CHOICE) ? FIRST_CHOICE : first);
        }
      },
      // Without an answer the connection says what is wrong.
      () => undefined,
    );
  }, []);
  useEffect(() => {
    if (asked !== undefined) {
      setWorkspace(asked);
      // It may be younger than the list.
      setWorkspaces((known) => (known.includes(asked) ? known : [...known, asked].sort()));
      location.replace("#/");
    }
  }, [asked]);
  useShortcuts(surroundings);
  return (
    <SurroundingsContext value={surroundings}>
      <a className="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <Header
        page={route.page}
        workspaces={workspaces}
        workspace={workspace}
        onWorkspace={(workspace) => {
          location.hash = "#/";
          setWorkspace(workspace);
        }}
        theme={theme as Theme}
        onTheme={setTheme}
      />
      <Title />
      {(route.page === "grid" || route.page === "anomalies") && <Incidents />}
      <div className={`body on-${route.page}`}>
        <main id="main" tabIndex={-1}>
          {route.page === "kpi" ? (
            <KpiPage key={route.kpi} route={route} />
          ) : route.page === "cluster" ? (
            <ClusterPage workspace={workspace} />
          ) : route.page === "detectors" ? (
            <DetectorsPage />
          ) : route.page === "import" ? (
            <ImportPage />
          ) : (
            <Grid />
          )}
        </main>
        {(route.page === "grid" || route.page === "anomalies") && <Feed />}
      </div>
      <footer>
        <span>
          <kbd>/</kbd> filter <kbd>l</kbd> listen <kbd>← ↑ ↓ →</kbd> walk the cards
        </span>
      </footer>
    </SurroundingsContext>
  );
}

function surroundingsOf(workspace: string): Surroundings {
  const heard = new Signal();
  const volume = Number(recall("volume") ?? "0.8");
  return { station: new Station(workspace), listener: new Player({ volume, onChange: () => heard.emit() }), heard };
}

/** A link to an anchor would change the address, which names the page. */
function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Title() {
  const { station } = useSurroundings();
  useSignal(station.news);
  const open = station.board.open;
  useEffect(() => {
    document.title = open > 0 ? `(${open}) Earcon` : "Earcon";
  }, [open]);
  return null;
}

function useShortcuts({ station, listener }: Surroundings): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      if (event.key === "/") {
        const filter = document.getElementById("filter");
        if (filter !== null) {
          event.preventDefault();
          filter.focus();
        }
      } else if (event.key === "l") {
        const { state } = listener.now;
        if (state === "off" || state === "failed") {
          listener.start(station.api);
        } else {
          listener.stop();
        }
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [station, listener]);
}
