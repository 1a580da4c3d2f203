import { expect, it } from "vitest";
import { calmWords } from "./calm.ts";
import { clock } from "./time.ts";

const states = (...all: string[]) => all.map((state) => ({ state }));

it("nothing open is said as it is while data arrives", () => {
  expect(calmWords("None.", null, states("normal", "stalled"))).toBe("None.");
  expect(calmWords("None.", null, states("ended"))).toBe("None.");
  expect(calmWords("None.", null, [])).toBe("None.");
});

it("nothing open is not calm if all series have stalled", () => {
  expect(calmWords("None.", null, states("stalled"))).toBe("None. But no data arrives: one series has stalled.");
  expect(calmWords("None.", null, states("stalled", "ended", "stalled"))).toContain("2 series have stalled");
});

it("nothing open is the past if the state is outdated", () => {
  const words = calmWords("None.", 5_000, states("normal"));
  expect(words).toContain(clock(5_000));
  expect(words).toContain("not known");
  expect(words).not.toContain("None.");
});
