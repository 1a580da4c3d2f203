/** Incidents in words. */

import type { Incident, Member } from "@earcon/client";
import { labelsText } from "./names.ts";

/** `shop.orders eu is higher than usual, with 39 other series`. */
export function incidentTitle(incident: Incident): string {
  const first = incident.first_mover;
  if (first === null) {
    return incident.title;
  }
  const member = incident.members.find(({ anomaly }) => anomaly === first.anomaly);
  const change = member === undefined ? "is unusual" : member.direction === "above" ? "is higher than usual" : "is lower than usual";
  const others = incident.members_total - 1;
  const rest = others === 0 ? "" : others === 1 ? ", with 1 other series" : `, with ${others} other series`;
  return `${[first.kpi, labelsText(first.labels)].filter(Boolean).join(" ")} ${change}${rest}`;
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

/** Unacknowledged incidents first, then those with the highest surprise. */
export function compareIncidents(a: Incident, b: Incident): number {
  const acknowledged = Number(a.acknowledged !== null) - Number(b.acknowledged !== null);
  return acknowledged || b.surprise - a.surprise || b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
}
