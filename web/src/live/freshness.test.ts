import { describe, expect, it } from "vitest";
import type { Link, Phase } from "@earcon/client";
import { Freshness, GRACE_MS, SILENCE_MS } from "./freshness.ts";

function link(phase: Phase, heardAt: number): Link {
  return { phase, heardAt } as Link;
}

/** A connection that was live at 0 and heard from at 1,000. */
function connected(): Freshness {
  const freshness = new Freshness();
  freshness.update(link("connecting", 0), 0);
  freshness.update(link("live", 0), 0);
  return freshness;
}

describe("the shown state", () => {
  it("is current while the connection is live and not silent", () => {
    const freshness = connected();
    expect(freshness.outdatedSince(link("live", 1_000), 1_000 + SILENCE_MS - 1)).toBeNull();
  });

  it("is outdated since the loss of the connection, after a grace time", () => {
    const freshness = connected();
    freshness.update(link("waiting", 1_000), 5_000);
    freshness.update(link("connecting", 5_500), 5_500);
    freshness.update(link("waiting", 5_500), 5_600);
    expect(freshness.outdatedSince(link("waiting", 5_500), 5_000 + GRACE_MS - 1)).toBeNull();
    expect(freshness.outdatedSince(link("waiting", 5_500), 5_000 + GRACE_MS)).toBe(5_000);
    freshness.update(link("live", 9_000), 9_000);
    expect(freshness.outdatedSince(link("live", 9_000), 9_000)).toBeNull();
  });

  it("is outdated since the last message of a silent connection", () => {
    const freshness = connected();
    const silent = link("live", 1_000);
    expect(freshness.outdatedSince(silent, 1_000 + SILENCE_MS)).toBe(1_000);
    freshness.update(link("waiting", 1_000), 26_000);
    expect(freshness.outdatedSince(link("waiting", 1_000), 26_000)).toBe(1_000);
  });

  it("is not called outdated before the first connection", () => {
    const freshness = new Freshness();
    freshness.update(link("waiting", 0), 60_000);
    expect(freshness.outdatedSince(link("waiting", 0), 90_000)).toBeNull();
  });
});
