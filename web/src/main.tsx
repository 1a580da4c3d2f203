/** Starts the dashboard. */

import { createRoot } from "react-dom/client";
import { App } from "./app/app.tsx";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/grid.css";
import "./styles/kpi.css";
import "./styles/incidents.css";
import "./styles/feed.css";
import "./styles/listen.css";
import "./styles/cluster.css";
import "./styles/detectors.css";
import "./styles/import.css";
import { recall } from "./hooks/app-context.ts";
import { applyTheme, type Theme } from "./styles/palette.ts";

applyTheme((recall("theme") ?? "auto") as Theme);
// A path such as /kpi/checkout.revenue, typed by hand, means the page of that KPI.
if (location.pathname !== "/") {
  history.replaceState(null, "", `/#${location.pathname}${location.search}`);
}
const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(<App />);
}
