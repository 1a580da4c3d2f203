/**
 * Starts the dashboard. The folders, lowest first (each imports only from those listed before it):
 *
 * - `live/`: state of a workspace, its connection, polling. No React.
 * - `format/`: numbers, times, names and sentences as people read them; routes. Pure.
 * - `styles/`: style sheets, and their colours for drawings on canvas.
 * - `hooks/`: React hooks that several components use.
 * - `components/`: widgets that several features use.
 * - `features/`: one folder per area: its pages and their parts. Features do not import each other.
 * - `app/`: header, routing to pages, shortcuts.
 *
 * `imports.test.ts` checks this order.
 */

import { createRoot } from "react-dom/client";
import { App } from "./app/gate.tsx";
import { readStored } from "./hooks/use-stored.ts";
import { SessionStore } from "./live/session-store.ts";
import { browserTabs } from "./live/tabs.ts";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/grid.css";
import "./styles/dialog.css";
import "./styles/kpi.css";
import "./styles/incidents.css";
import "./styles/feed.css";
import "./styles/listen.css";
import "./styles/cluster.css";
import "./styles/detectors.css";
import "./styles/import.css";
import "./styles/accounts.css";
import { applyTheme, type Theme } from "./styles/palette.ts";

applyTheme((readStored("theme") ?? "auto") as Theme);
// A path such as /kpi/checkout.revenue, entered by hand, opens the page of that KPI.
if (location.pathname !== "/") {
  history.replaceState(null, "", `/#${location.pathname}${location.search}`);
}
const root = document.getElementById("root");
if (root !== null) {
  const session = new SessionStore((url, request) => fetch(url, request), browserTabs());
  createRoot(root).render(<App session={session} />);
}
