import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { qrCode } from "./qr.ts";
import { correction } from "./reed-solomon.ts";

const drawn = (text: string) => (qrCode(text) ?? []).map((row) => row.map((dark) => (dark ? "#" : ".")).join(""));
const otpauth = (length: number) => "otpauth://totp/".padEnd(length, "Earcon:anna?secret=JBSWY3DPEHPK3PXP&");
const digest = (text: string) => createHash("sha256").update(drawn(text).join("\n")).digest("hex").slice(0, 16);

// The codes here were read by another program before they were written down.
describe("a QR code", () => {
  it("is that of a short text", () => {
    expect(drawn("Earcon")).toEqual([
      "#######..#.##.#######",
      "#.....#...##..#.....#",
      "#.###.#.##..#.#.###.#",
      "#.###.#.#..#..#.###.#",
      "#.###.#.#..##.#.###.#",
      "#.....#.##..#.#.....#",
      "#######.#.#.#.#######",
      "........##.##........",
      "#.#####..##.#.#####..",
      "#.#.##.#.#..#..#..#.#",
      ".#...##...##.#..####.",
      "####...####....#####.",
      "..#..###...#.#..##.#.",
      "........########..#..",
      "#######...#.#.##...#.",
      "#.....#.##.########.#",
      "#.###.#.###.#...#..#.",
      "#.###.#.##..#..##.#..",
      "#.###.#.####.#...#...",
      "#.....#.........###..",
      "#######.#.##.#..#..#.",
    ]);
  });

  it("grows with the text, with information about its version and several blocks", () => {
    expect([15, 62, 122, 180, 181, 213].map((length) => drawn(otpauth(length)).length)).toEqual([25, 33, 45, 53, 57, 57]);
    expect([62, 122, 213].map((length) => digest(otpauth(length)))).toEqual([
      "706757125f5c0d7d",
      "f91ea88fb62e0fd4",
      "a14f387017791f40",
    ]);
  });

  it("does not hold more than 213 bytes", () => {
    expect(qrCode("x".repeat(213))).not.toBeNull();
    expect(qrCode("x".repeat(214))).toBeNull();
    expect(qrCode("é".repeat(107)), "bytes, not characters").toBeNull();
  });

  it("is corrected by the codewords of the example of the standard", () => {
    const data = [0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11];
    expect(correction(data, 10)).toEqual([0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55]);
  });
});
