/** Incidents in words. */

import { type Anomaly, type Incident, labelText, type Member } from "@earcon/client";
import { counted } from "./count.ts";
import { labelsText } from "./names.ts";
import { around } from "./ranges.ts";
import type { Route } from "./route.ts";
import { lasted, moment } from "./time.ts";

/** `shop.orders eu is higher than expected, with 39 other series`. */
export function incidentTitle(incident: Incident): string {
  const first = incident.first_mover;
  if (first === null) {
    return incident.title;
  }
  const member = incident.members.find(({ anomaly }) => anomaly === first.anomaly);
  const change = member === undefined ? "is unusual" : member.direction === "above" ? "is higher than expected" : "is lower than expected";
  const others = incident.members_total - 1;
  const rest = others === 0 ? "" : `, with ${counted(others, "other series", "other series")}`;
  return `${seriesName(first)} ${change}${rest}`;
}

/** Why a series belongs to the incident. Empty if that is obvious. */
export function membershipReason(member: Member): string {
  switch (member.link) {
    case "shared":
      return `shares ${member.shared ?? ""}`;
    case "companion":
      return "usually anomalous together with another series";
    case "burst":
      return "began at the same time";
    default:
      return "";
  }
}

/** The name of a series with its labels. */
export function seriesName({ kpi, labels }: Pick<Member, "kpi" | "labels">): string {
  return [kpi, labelsText(labels)].filter(Boolean).join(" ");
}

/** The page of a series, with the time around an anomaly. `to` is null while it is open. */
export function seriesRoute({ kpi, labels }: Pick<Member, "kpi" | "labels">, from: number, to: number | null, now: number): Route {
  return { page: "kpi", kpi, series: [labelText(labels)].filter(Boolean), range: around(from, to, now) };
}

/** The severity of the cue that the incident's highest score has. */
export function severityOf({ peak_score }: Pick<Incident, "peak_score">): "info" | "warning" | "critical" {
  return peak_score >= 0.9 ? "critical" : peak_score >= 0.7 ? "warning" : "info";
}

/**
 * The time of the last anomalous sample of a closed incident. `anomalies` are those that are known.
 * The end of an unknown one is later than its last anomalous sample.
 */
export function lastAnomalous(incident: Incident, anomalies: ReadonlyMap<string, Anomaly>): number {
  const ends = incident.members.map((member) => anomalies.get(member.anomaly)?.last_at ?? member.closed_at ?? member.peak_at);
  return Math.max(incident.opened_at, ...ends);
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
