/** Incidents in words. */

import type { Incident, Member } from "@earcon/client";
import { labelsShown } from "./names.ts";

/** `shop.orders eu is higher than usual, with 39 other series`. */
export function incidentTitle(incident: Incident): string {
  const first = incident.first_mover;
  if (first === null) {
    return incident.title;
  }
  const member = incident.members.find(({ anomaly }) => anomaly === first.anomaly);
  const way = member === undefined ? "is unusual" : member.direction === "above" ? "is higher than usual" : "is lower than usual";
  const others = incident.members_total - 1;
  const with_ = others === 0 ? "" : others === 1 ? ", with 1 other series" : `, with ${others} other series`;
  return `${[first.kpi, labelsShown(first.labels)].filter(Boolean).join(" ")} ${way}${with_}`;
}

/** Why a series is a member, where that is not plain. */
export function whyMember(member: Member): string {
  switch (member.link) {
    case "shared":
      return `also ${member.shared ?? ""}`;
    case "companion":
      return "usually together with another member";
    case "burst":
      return "at the same time";
    default:
      return "";
  }
}

/** Those nobody has seen first, then the most surprising. */
export function compareIncidents(a: Incident, b: Incident): number {
  const seen = Number(a.acknowledged !== null) - Number(b.acknowledged !== null);
  return seen || b.surprise - a.surprise || b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
}
