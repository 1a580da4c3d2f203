import { describe, expect, it } from "vitest";
import type { Anomaly, Incident, Member } from "@earcon/client";
import {
  closedWords,
  compareClosed,
  compareIncidents,
  concerns,
  incidentTitle,
  lastAnomalous,
  membershipReason,
  severityOf,
} from "./incidents.ts";

function member(kpi: string, link: Member["link"] = "first"): Member {
  return {
    ...{ anomaly: `of ${kpi}`, kpi, labels: { region: "eu" }, state: "open", opened_at: 5, closed_at: null },
    ...{ peak_score: 0.9, peak_at: 5, direction: "below", episodes: 1, link, shared: null, muted: null },
    acknowledged: false,
  };
}

function incident(total: number, surprise = 3): Incident {
  const first = member("shop.orders");
  return {
    ...{ id: `i${total}`, revision: 1, title: "title of the server", state: "open", alerted: true, alerted_at: 7 },
    ...{ opened_at: 5, closed_at: null, merged_into: null, surprise, peak_score: 0.9, cause_seq: 3 },
    ...{ first_mover: first, members_total: total, members_open: total, members: [first], timeline: [] },
    ...{ timeline_left_out: 0, acknowledged: null },
  };
}

describe("incidents in words", () => {
  it("name the first series and count the others", () => {
    expect(incidentTitle(incident(1))).toBe("shop.orders eu is lower than expected");
    expect(incidentTitle(incident(2))).toBe("shop.orders eu is lower than expected, with 1 other series");
    expect(incidentTitle(incident(40))).toBe("shop.orders eu is lower than expected, with 39 other series");
    expect(incidentTitle({ ...incident(1), first_mover: null })).toBe("title of the server");
  });

  it("say why a series belongs to the incident if that is not obvious", () => {
    expect(membershipReason({ ...member("a", "shared"), shared: "host:1" })).toBe("shares host:1");
    expect(membershipReason(member("a", "same_kpi"))).toBe("");
  });

  it("put unacknowledged ones first, then those with the highest surprise", () => {
    const acknowledged = { ...incident(1, 20), acknowledged: { at: 1, by: "ada", note: null } };
    const sorted = [acknowledged, incident(2, 3), incident(3, 9)].sort(compareIncidents);
    expect(sorted.map(({ id }) => id)).toEqual(["i3", "i2", "i1"]);
  });

  it("have the severity of their cue", () => {
    expect([0.5, 0.69, 0.7, 0.89, 0.9, 1].map((peak_score) => severityOf({ peak_score }))).toEqual(
      ["info", "info", "warning", "warning", "critical", "critical"],
    );
  });

  it("last until the last anomalous sample of a member, not until the end of its anomaly", () => {
    const minute = 60_000;
    const at = new Date(2026, 4, 4, 14, 2).getTime();
    const closed = { ...incident(1), state: "closed" as const, opened_at: at, closed_at: at + 89 * minute };
    closed.members = [{ ...member("shop.orders"), state: "closed", opened_at: at, closed_at: at + 89 * minute }];
    const anomaly = { last_at: at + 25 * minute } as Anomaly;
    const last = lastAnomalous(closed, new Map([["of shop.orders", anomaly]]));
    expect(closedWords(closed, last, at + 90 * minute)).toBe("14:02, for 25 min, closed 15:31");
    expect(lastAnomalous(closed, new Map())).toBe(closed.closed_at);
  });

  it("are listed by their end, and for the KPIs of their members", () => {
    const sorted = [incident(1), incident(2), incident(3)].map((one, i) => ({ ...one, closed_at: [5, 9, 7][i] ?? 0 }));
    expect(sorted.sort(compareClosed).map(({ id }) => id)).toEqual(["i2", "i3", "i1"]);
    expect(concerns(incident(1), "shop.orders")).toBe(true);
    expect(concerns(incident(1), "shop.visits")).toBe(false);
  });
});
