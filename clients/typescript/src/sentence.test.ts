import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sentence } from "./sentence.ts";
import type { Anomaly } from "./wire.ts";

interface Case {
  anomaly: Anomaly;
  zone: string;
  in_zone: string;
}

const FILE = new URL("../../../tests/conformance/sentences.json", import.meta.url);
const CASES = JSON.parse(readFileSync(FILE, "utf8")) as Case[];

describe("the sentence of an anomaly", () => {
  it("is the server's in UTC, and the same in other zones", () => {
    expect(CASES.length).toBeGreaterThan(8);
    for (const { anomaly, zone, in_zone } of CASES) {
      expect(sentence(anomaly, "UTC")).toBe(anomaly.sentence);
      expect(sentence(anomaly, zone)).toBe(in_zone);
    }
  });

  it("is written in the zone of the reader's machine without another", () => {
    const { anomaly } = CASES[0]!;
    expect(sentence(anomaly)).toBe(sentence(anomaly, Intl.DateTimeFormat().resolvedOptions().timeZone));
  });
});
