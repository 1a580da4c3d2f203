import { describe, expect, it } from "vitest";
import { parsePacket } from "./packet.ts";
import { Ring } from "./playback.worklet.js";

describe("a packet", () => {
  it("starts with its number", () => {
    const bytes = new Uint8Array([0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7]);
    const packet = parsePacket(bytes.buffer);
    expect(packet?.number).toBe(2 ** 32 + 2);
    expect([...(packet?.opus ?? [])]).toEqual([9, 8, 7]);
  });

  it("is null without Opus data", () => {
    expect(parsePacket(new ArrayBuffer(8))).toBeNull();
    expect(parsePacket(new ArrayBuffer(3))).toBeNull();
  });
});

describe("the jitter buffer", () => {
  const TARGET = 1_000;
  const LIMIT = 3_000;
  let next = 0;
  /** Writes a ramp, so that each frame has another value. */
  const write = (ring: Ring, frames: number) => {
    const left = Float32Array.from({ length: frames }, () => (next += 1));
    ring.write(left, left.map((value) => -value));
  };
  const read = (ring: Ring, frames: number) => {
    const [left, right] = [new Float32Array(frames), new Float32Array(frames)];
    ring.read(left, right);
    return { left, right };
  };
  const fresh = () => {
    next = 0;
    return new Ring(TARGET, LIMIT);
  };

  it("is silent until the target is buffered", () => {
    const ring = fresh();
    write(ring, TARGET - 1);
    expect(read(ring, 128).left.every((value) => value === 0)).toBe(true);
    write(ring, 1);
    expect(read(ring, 128).left.some((value) => value !== 0)).toBe(true);
    expect(ring.played).toBe(128);
  });

  it("plays each frame once and in order", () => {
    const ring = fresh();
    write(ring, TARGET);
    const played: number[] = [];
    for (let i = 0; i < 100; i += 1) {
      write(ring, 128);
      played.push(...read(ring, 128).left);
    }
    const afterFade = played.slice(240);
    expect(afterFade).toEqual(afterFade.map((_, i) => 241 + i));
    expect(ring).toMatchObject({ skipped: 0, underruns: 0, waiting: TARGET });
  });

  it("keeps left and right separate", () => {
    const ring = fresh();
    write(ring, TARGET);
    read(ring, 512);
    const { left, right } = read(ring, 4);
    expect([...left]).toEqual([513, 514, 515, 516]);
    expect([...right]).toEqual([-513, -514, -515, -516]);
  });

  it("buffers again after an underrun and fades in", () => {
    const ring = fresh();
    write(ring, TARGET);
    const dry = read(ring, TARGET + 10).left;
    expect([...dry.slice(TARGET)]).toEqual(Array(10).fill(0));
    expect(ring.underruns).toBe(1);
    write(ring, 10);
    expect(read(ring, 10).left.every((value) => value === 0)).toBe(true);
    write(ring, TARGET);
    const again = read(ring, 300).left;
    expect(again[0]).toBe(0);
    expect(again[299]).toBeGreaterThan(again[100] ?? 0);
    expect(ring.underruns).toBe(1);
  });

  it("skips to live after a stall", () => {
    const ring = fresh();
    write(ring, LIMIT);
    expect(ring.skipped).toBe(0);
    write(ring, 960);
    expect(ring.waiting).toBe(TARGET);
    expect(ring.skipped).toBe(LIMIT + 960 - TARGET);
    read(ring, 500);
    expect(read(ring, 1).left[0]).toBe(LIMIT + 960 - TARGET + 501);
  });

  it("skips surplus latency", () => {
    const ring = fresh();
    write(ring, 2 * TARGET);
    for (let i = 0; i < 200; i += 1) {
      write(ring, 128);
      read(ring, 128);
    }
    expect(ring.waiting).toBe(TARGET);
    expect(ring.skipped).toBe(TARGET);
  });

  it("keeps latency that bursts need", () => {
    const ring = fresh();
    write(ring, 1_280);
    for (let i = 0; i < 400; i += 1) {
      if (i % 10 === 0) {
        write(ring, 1_280);
      }
      read(ring, 128);
    }
    expect(ring).toMatchObject({ skipped: 0, underruns: 0 });
  });

  it("handles writes larger than its capacity", () => {
    const ring = fresh();
    write(ring, LIMIT * 10);
    write(ring, LIMIT * 2);
    expect(ring.waiting).toBe(TARGET);
    expect(read(ring, TARGET).left.every(Number.isFinite)).toBe(true);
  });
});
