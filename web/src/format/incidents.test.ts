import { describe, expect, it } from "vitest";
import type { Incident, Member } from "@earcon/client";
import {
  closedWords,
  compareClosed,
  compareIncidents,
  concerns,
  membershipReason,
  notAlerted,
} from "./incidents.ts";

function member(kpi: string, link: Member["link"] = "first"): Member {
  return {
    ...{ anomaly: `of ${kpi}`, kpi, labels: { region: "eu" }, state: "open", opened_at: 5, closed_at: null },
    ...{ peak_score: 0.9, peak_at: 5, direction: "below", reason: "residual_z", episodes: 1, link, shared: null, muted: null },
    acknowledged: false,
    learning: false,
  };
}

function incident(total: number, surprise = 3): Incident {
  const first = member("shop.orders");
  return {
    ...{ id: `i${total}`, revision: 1, title: "title of the server", state: "open", alerted: true, alerted_at: 7 },
    ...{ opened_at: 5, last_at: 5, closed_at: null, merged_into: null, severity: "warning", surprise, peak_score: 0.9, cause_seq: 3 },
    ...{ first_mover: first, members_total: total, members_open: total, members: [first], timeline: [] },
    ...{ timeline_left_out: 0, acknowledged: null },
  };
}

describe("incidents in words", () => {
  it("say why a series belongs to the incident if that is not obvious", () => {
    expect(membershipReason({ ...member("a", "shared"), shared: "host:1" })).toBe("shares host:1");
    expect(membershipReason(member("a", "same_kpi"))).toBe("");
  });

  it("put unacknowledged ones first, then those with the highest surprise", () => {
    const acknowledged = { ...incident(1, 20), acknowledged: { at: 1, by: "ada", note: null } };
    const sorted = [acknowledged, incident(2, 3), incident(3, 9)].sort(compareIncidents);
    expect(sorted.map(({ id }) => id)).toEqual(["i3", "i2", "i1"]);
  });

  it("say why they were not alerted", () => {
    const fresh = { ...incident(1), alerted: false, members: [{ ...member("shop.orders"), learning: true }] };
    expect(notAlerted(fresh)).toBe("suppressed: its series are new");
    expect(notAlerted({ ...incident(1), alerted: false })).toBe("suppressed");
    expect(notAlerted(incident(1))).toBe("alerted");
  });

  it("last until the last anomalous sample of a member, not until the end of its anomaly", () => {
    const minute = 60_000;
    const at = new Date(2026, 4, 4, 14, 2).getTime();
    const closed = { ...incident(1), state: "closed" as const, opened_at: at, closed_at: at + 89 * minute };
    expect(closedWords(closed, at + 25 * minute, at + 90 * minute)).toBe("14:02, for 25 min, closed 15:31");
  });

  it("are listed by their end, and for the KPIs of their members", () => {
    const sorted = [incident(1), incident(2), incident(3)].map((one, i) => ({ ...one, closed_at: [5, 9, 7][i] ?? 0 }));
    expect(sorted.sort(compareClosed).map(({ id }) => id)).toEqual(["i2", "i3", "i1"]);
    expect(concerns(incident(1), "shop.orders")).toBe(true);
    expect(concerns(incident(1), "shop.visits")).toBe(false);
  });
});
