import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Anomaly, sentence } from "@earcon/client";
import { familyOf, labelsText, matches, titleOf } from "./names.ts";
import { declareUnits, descriptionOf, digits, rangeText, text, unitOf } from "./units.ts";
import { counted } from "./count.ts";
import { ago, duration, lasted, moment, span, ticks } from "./time.ts";
import { compareAnomalies, departureSign, departureWords, explanationText, sentenceParts, stalledWords } from "./anomalies.ts";

const plain = (shown: string) => shown.replaceAll("\u00a0", " ").replaceAll("\u202f", " ");
const value = (kpi: string, number: number | null) => plain(text(number, unitOf(kpi)));

describe("values", () => {
  it("take their unit from the suffix of the name", () => {
    expect(value("host.memory.used_bytes", 1_610_000_000)).toBe("1.61 GB");
    expect(value("net.receive_bytes_per_second", 12_400_000)).toBe("12.4 MB/s");
    expect(value("net.receive_bytes_per_second", 850)).toBe("850 B/s");
    expect(value("host.cpu.busy_percent", 99.25)).toBe("99.25%");
    expect(value("cache.hit_ratio", 0.985)).toBe("98.5%");
    expect(value("host.temperature_celsius", 61)).toBe("61 °C");
    expect(value("api.latency_ms", 12.5)).toBe("12.5 ms");
    expect(value("api.latency_seconds", 0.000_25)).toBe("250 µs");
    expect(value("http.requests_per_second", 1_200)).toBe("1.2 k/s");
  });

  it("take the unit that was stated before the suffix", () => {
    const settings = (unit: string | null, symbol = "", description: string | null = null) =>
      ({ unit, symbol, description, stated_by: "sender" }) as const;
    declareUnits({
      "a.latency": settings("ms", "ms", "Time to answer"),
      "b_seconds": settings("By/s", "B/s"),
      c: settings("{request}/s", "request/s"),
      d_bytes: settings("1"),
      e: settings("EUR", "EUR"),
      f_percent: settings(null, "", "only described"),
    });
    expect(value("a.latency", 12.5)).toBe("12.5 ms");
    expect(value("b_seconds", 2_000)).toBe("2 kB/s");
    expect(value("c", 12.5)).toBe("12.5 request/s");
    expect(value("d_bytes", 7)).toBe("7");
    expect(value("e", 7)).toBe("7 EUR");
    expect(value("f_percent", 7)).toBe("7%");
    expect([descriptionOf("a.latency"), descriptionOf("c"), descriptionOf("x")]).toEqual(["Time to answer", null, null]);
    declareUnits({});
    expect(value("a.latency", 12.5)).toBe("12.5");
  });

  it("are plain without a known suffix", () => {
    expect(value("checkout.revenue", 12.5)).toBe("12.5");
    expect(value("host.processes", 117)).toBe("117");
    expect(value("host.processes", 12_345)).toBe("12,345");
    expect(value("signups", 2_500_000)).toBe("2.5 M");
  });

  it("are readable in extreme cases", () => {
    expect(value("a", null)).toBe("–");
    expect(value("a", NaN)).toBe("–");
    expect(value("a", -0.25)).toBe("-0.25");
    expect(value("a_bytes", -2_000)).toBe("-2 kB");
    expect(value("a", 1e-12)).toBe("1e-12");
    expect(value("a_celsius", 1e30)).toBe("1e30 °C");
    expect(value("a_bytes", 0)).toBe("0 B");
    expect(value("a_percent", 0.0801)).toBe("0.0801%");
  });

  it("are written as the server writes them", () => {
    const file = new URL("../../../crates/model/tests/quantities.json", import.meta.url);
    const { quantities, ranges, symbols } = JSON.parse(readFileSync(file, "utf8")) as {
      quantities: [string, string | null, number, string][];
      ranges: [string, string | null, number, number, string][];
      symbols: [string, string][];
    };
    const symbolOf = new Map(symbols);
    const declare = (kpi: string, unit: string | null) =>
      declareUnits(unit === null ? {} : { [kpi]: { unit, symbol: symbolOf.get(unit) ?? "?", description: null, stated_by: "sender" } });
    for (const [kpi, unit, number, words] of quantities) {
      declare(kpi, unit);
      expect(value(kpi, number), `${kpi} ${unit} ${number}`).toBe(words);
    }
    for (const [kpi, unit, low, high, words] of ranges) {
      declare(kpi, unit);
      expect(plain(rangeText(low, high, unitOf(kpi))), `${kpi} ${unit} ${low} ${high}`).toBe(words);
    }
    declareUnits({});
  });

  it("of counts and durations are those of the server", () => {
    const file = new URL("../../../crates/model/tests/quantities.json", import.meta.url);
    const { counts, durations } = JSON.parse(readFileSync(file, "utf8")) as {
      counts: [number, string, string, string][];
      durations: [number, string][];
    };
    counts.forEach(([count, one, many, words]) => expect(counted(count, one, many)).toBe(words));
    durations.forEach(([ms, words]) => expect(duration(ms)).toBe(words));
  });

  it("share one unit in a range", () => {
    expect(plain(rangeText(1_100_000, 2_000_000, unitOf("x_bytes_per_second")))).toBe("1.1–2 MB/s");
    expect(plain(rangeText(-3, 4, unitOf("x")))).toBe("-3 to 4");
    expect(plain(rangeText(5, 5, unitOf("x_percent")))).toBe("5%");
  });

  it("show three or four digits", () => {
    expect([0.123_456, 1.234_56, 12.345_6, 123.456, 1_234.56].map(digits)).toEqual(["0.123", "1.23", "12.35", "123.5", "1235"]);
  });
});

describe("names", () => {
  it("split into family and title", () => {
    expect(familyOf("host.cpu.core_busy_percent")).toBe("host.cpu");
    expect(titleOf("host.cpu.core_busy_percent")).toBe("core busy");
    expect(familyOf("revenue")).toBe("");
    expect(titleOf("revenue")).toBe("revenue");
    expect(titleOf("disk._bytes")).toBe(" bytes");
  });

  it("show labels without repeating the title", () => {
    expect(labelsText({ core: "1" }, "host.cpu.core_busy_percent")).toBe("1");
    expect(labelsText({ core: "1" })).toBe("core 1");
    expect(labelsText({ device: "vda" })).toBe("vda");
    expect(labelsText({ device: "a\u202eb\u2066" })).toBe("a\\u202eb\\u2066");
    expect(labelsText({ zone: "b", region: "eu" })).toBe("region eu, zone b");
  });

  it("match if each word occurs", () => {
    expect(matches("CPU core:1", "host.cpu.core_busy_percent", "core:1")).toBe(true);
    expect(matches("cpu disk", "host.cpu.busy_percent", "")).toBe(false);
    expect(matches("  ", "anything", "")).toBe(true);
  });
});

describe("times", () => {
  it("are written from seconds to days", () => {
    const now = 1_800_000_000_000;
    const ages = [0, 1_500, 12_000, 61_000, 3_600_000 * 5].map((age) => ago(now - age, now));
    expect(ages).toEqual(["now", "now", "12 s ago", "1 min ago", "5 h ago"]);
    expect(span(86_400_000 * 3)).toBe("3 d");
    expect(ago(now + 5_000, now)).toBe("now");
  });

  it("name the day if it is not today", () => {
    const noon = new Date(2026, 0, 2, 12, 5).getTime();
    expect(moment(noon, noon + 3_600_000)).toBe("12:05");
    expect(moment(noon, noon + 86_400_000)).toMatch(/2.*12:05/);
  });

  it("measure an anomaly from its first to its last anomalous sample", () => {
    expect(lasted(0, 25 * 60_000)).toBe("for 25 min");
    expect(lasted(5, 5)).toBe("one sample");
  });

  it("label a new day with its date", () => {
    const midnight = new Date(2026, 0, 2).getTime();
    const labels = ticks([midnight - 3_600_000, midnight, midnight + 3_600_000], 3_600_000);
    expect(labels[1]).not.toContain(":");
    expect(labels[2]).toContain(":");
  });
});

describe("anomalies", () => {
  it("say how many of their series have stalled", () => {
    expect(stalledWords(1, 1)).toBe("stalled");
    expect(stalledWords(2, 3)).toBe("2 of 3 series stalled");
  });

  const base: Anomaly = {
    ...{ id: "a", kpi: "net.in_bytes_per_second", labels: {}, state: "open", opened_at: 1, last_at: 1, closed_at: null },
    peak: { timestamp: 1, value: 12_400_000, score: 1, expected: 1_500_000, lower: 1_100_000, upper: 2_000_000 },
    ...{ direction: "above", reason: "residual_z", samples: 1, detector: "1", acknowledged: null },
    ...{ feedback: null, finding: "", sentence: "", muted: null },
  };

  it("are the sentences of the server", () => {
    const file = new URL("../../../tests/conformance/sentences.json", import.meta.url);
    const cases = JSON.parse(readFileSync(file, "utf8")) as { anomaly: Anomaly }[];
    for (const { anomaly } of cases) {
      const { name, rest } = sentenceParts(anomaly);
      expect(name).not.toBe("");
      expect(name + rest).toBe(sentence(anomaly));
      expect(rest).toMatch(/^ (is|repeats) /);
    }
  });

  it("have the comparison with history behind the sentence once it is known", () => {
    expect(explanationText(base, null)).toBe(sentence(base));
    expect(explanationText(base, "Its value was x.")).toBe(`${sentence(base)} Its value was x.`);
  });

  it("never say above or below of a value that repeats", () => {
    for (const direction of ["above", "below"] as const) {
      const still = { direction, reason: "volatility" as const };
      expect([departureSign(still), departureWords(still)]).toEqual(["=", "repeats the same value"]);
    }
    const sloped = { direction: "below", reason: "slope" } as const;
    expect([departureSign(sloped), departureWords(sloped)]).toEqual(["▼", "is below the expected range"]);
  });

  it("are ordered open first, then newest first", () => {
    const order = [
      { ...base, id: "old", state: "closed" as const, opened_at: 1 },
      { ...base, id: "open", opened_at: 2 },
      { ...base, id: "new", state: "closed" as const, opened_at: 3 },
    ].sort(compareAnomalies);
    expect(order.map(({ id }) => id)).toEqual(["open", "new", "old"]);
  });
});
