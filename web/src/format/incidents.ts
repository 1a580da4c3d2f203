/** Incidents in words. */

import { type Incident, labelText, type Member } from "@earcon/client";
import { around } from "./ranges.ts";
import type { Route } from "./route.ts";
import { lasted, moment } from "./time.ts";
import { visible } from "./visible.ts";

/** Why a series belongs to the incident. Empty if that is obvious. */
export function membershipReason(member: Member): string {
  switch (member.link) {
    case "shared":
      return `shares ${visible(member.shared ?? "")}`;
    case "companion":
      return "usually anomalous together with another series";
    case "burst":
      return "began at the same time";
    default:
      return "";
  }
}

/** The page of a series, with the time around an anomaly. `to` is null while it is open. */
export function seriesRoute({ kpi, labels }: Pick<Member, "kpi" | "labels">, from: number, to: number | null, now: number): Route {
  return { page: "kpi", kpi, series: [labelText(labels)].filter(Boolean), range: around(from, to, now) };
}

/** Why an incident was not alerted, if its new series are the reason. */
export function notAlerted({ alerted, members }: Pick<Incident, "alerted" | "members">): string {
  if (alerted) {
    return "alerted";
  }
  const learning = members.length > 0 && members.every((member) => member.learning || member.muted !== null);
  return learning ? "suppressed: its series are new" : "suppressed";
}

/** `14:02, for 25 min, closed 15:31`. */
export function closedWords(incident: Incident, last: number, now: number): string {
  const { opened_at, closed_at } = incident;
  const closed = closed_at === null ? "" : `, closed ${moment(closed_at, now)}`;
  return `${moment(opened_at, now)}, ${lasted(opened_at, last)}${closed}`;
}

/** Whether a series of the KPI is a member. */
export function concerns(incident: Incident, kpi: string): boolean {
  return incident.first_mover?.kpi === kpi || incident.members.some((member) => member.kpi === kpi);
}

/** The last closed first. */
export function compareClosed(a: Incident, b: Incident): number {
  return (b.closed_at ?? 0) - (a.closed_at ?? 0) || (a.id < b.id ? -1 : 1);
}

/** Unacknowledged incidents first, then those with the highest surprise. */
export function compareIncidents(a: Incident, b: Incident): number {
  const acknowledged = Number(a.acknowledged !== null) - Number(b.acknowledged !== null);
  return acknowledged || b.surprise - a.surprise || b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
}
