/** Incidents of a KPI, one line each: the open ones, and those that closed last. */

import type { Incident } from "@earcon/client";
import { Stalled } from "../../components/stalled.tsx";
import { closedWords, compareIncidents, concerns } from "../../format/incidents.ts";
import { moment } from "../../format/time.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useClosedIncidents } from "../../hooks/use-closed-incidents.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useKnownTime } from "../../hooks/use-outdated.ts";
import { visible } from "../../format/visible.ts";

/** Closed incidents that are listed. The page of anomalies has the others. */
const MAX_CLOSED = 3;

export function KpiIncidents({ kpi }: { kpi: string }) {
  const { state } = useAppContext().store;
  const { incidents: closed } = useClosedIncidents(kpi);
  const open = [...state.incidents.values()].filter((incident) => concerns(incident, kpi)).sort(compareIncidents);
  const shown = [...open, ...closed.slice(0, MAX_CLOSED)];
  if (shown.length === 0) {
    return null;
  }
  return (
    <ul className="kpi-incidents" aria-label="Incidents of this KPI">
      {shown.map((incident) => (
        <Line key={incident.id} incident={incident} kpi={kpi} />
      ))}
    </ul>
  );
}

function Line({ incident, kpi }: { incident: Incident; kpi: string }) {
  const now = useKnownTime();
  const link = useLink();
  const open = incident.state === "open";
  const members = incident.members.filter((member) => member.kpi === kpi);
  const when = open ? `since ${moment(incident.opened_at, now)}` : closedWords(incident, incident.last_at, now);
  return (
    <li className={`is-${incident.state}`} data-testid="kpi-incident" data-state={incident.state}>
      <strong>{open ? "Open incident" : "Closed incident"}</strong>{" "}
      <a href={link({ page: "anomalies", incident: incident.id })}>{visible(incident.title)}</a>{" "}
      <span className="muted">
        {when}
        {!incident.alerted && ", suppressed"}
      </span>
      {open && <Stalled of={members} />}
    </li>
  );
}
