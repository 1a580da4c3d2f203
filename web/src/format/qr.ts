/**
 * QR codes (ISO/IEC 18004): a text as bytes, with medium error correction. Up to version 10, which
 * holds 213 bytes. Pure.
 */

import { correction } from "./reed-solomon.ts";

/** By version: codewords of correction for each block, and the numbers of data codewords. */
const BLOCKS: readonly (readonly [number, readonly number[]])[] = [
  [10, [16]],
  [16, [28]],
  [26, [44]],
  [18, [32, 32]],
  [24, [43, 43]],
  [16, [27, 27, 27, 27]],
  [18, [31, 31, 31, 31]],
  [22, [38, 38, 39, 39]],
  [22, [36, 36, 36, 37, 37]],
  [26, [43, 43, 43, 43, 44]],
];

/** By version: the rows and columns of alignment patterns. */
const ALIGNMENT: readonly (readonly number[])[] = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];

const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/** Rows of modules; true is dark. null: the text is too long. */
export function qrCode(text: string): boolean[][] | null {
  const bytes = new TextEncoder().encode(text);
  const version = BLOCKS.findIndex(([, blocks], i) => bytes.length <= capacity(blocks, i + 1)) + 1;
  if (version === 0) {
    return null;
  }
  const bits = codewords(bytes, version).flatMap((word) => bitsOf(word, 8));
  const [first, ...others] = MASKS.map((_, mask) => new Matrix(version).filled(bits, mask));
  return others.reduce((best, each) => (penalty(each) < penalty(best) ? each : best), first ?? []);
}

/** Bits that say how long the text is. */
function lengthBits(version: number): number {
  return version < 10 ? 8 : 16;
}

/** Bytes of a text that the data codewords hold, after the mode and the length. */
function capacity(blocks: readonly number[], version: number): number {
  return Math.floor((sum(blocks) * 8 - 4 - lengthBits(version)) / 8);
}

/** The data and its correction, interleaved by block. */
function codewords(bytes: Uint8Array, version: number): number[] {
  const [corrected, sizes] = BLOCKS[version - 1] ?? [0, []];
  const bits = [...bitsOf(4, 4), ...bitsOf(bytes.length, lengthBits(version)), ...[...bytes].flatMap((byte) => bitsOf(byte, 8))];
  const room = sum(sizes) * 8;
  bits.push(...Array<boolean>(Math.min(4, room - bits.length)).fill(false));
  bits.push(...Array<boolean>((8 - (bits.length % 8)) % 8).fill(false));
  const data: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    data.push(bits.slice(at, at + 8).reduce((word, bit) => 2 * word + Number(bit), 0));
  }
  for (let pad = 0; data.length < sum(sizes); pad += 1) {
    data.push(pad % 2 === 0 ? 0xec : 0x11);
  }
  let begin = 0;
  const blocks = sizes.map((size) => data.slice(begin, (begin += size)));
  return [...interleaved(blocks), ...interleaved(blocks.map((block) => correction(block, corrected)))];
}

function interleaved(blocks: readonly number[][]): number[] {
  const longest = Math.max(...blocks.map(({ length }) => length));
  const rows = Array.from({ length: longest }, (_, i) => blocks.map((block) => block[i]));
  return rows.flat().filter((word) => word !== undefined);
}

/** The modules, of which those with a function are known before the data is placed. */
class Matrix {
  readonly size: number;
  readonly #modules: (boolean | null)[][];

  constructor(readonly version: number) {
    this.size = 17 + 4 * version;
    this.#modules = Array.from({ length: this.size }, () => Array<boolean | null>(this.size).fill(null));
    const end = this.size - 7;
    [[0, 0], [0, end], [end, 0]].forEach(([row = 0, column = 0]) => this.#finder(row, column));
    const places = ALIGNMENT[version - 1] ?? [];
    places.forEach((row) => places.forEach((column) => this.#alignment(row, column)));
    for (let i = 8; i < this.size - 8; i += 1) {
      this.#set(6, i, i % 2 === 0);
      this.#set(i, 6, i % 2 === 0);
    }
    this.#version();
  }

  /** Places the data in columns of two, from the right, upwards and downwards in turn. */
  filled(bits: readonly boolean[], mask: number): boolean[][] {
    this.#format(mask);
    const isMasked = MASKS[mask] ?? (() => false);
    let next = 0;
    for (let right = this.size - 1, up = true; right > 0; right -= right === 8 ? 3 : 2, up = !up) {
      for (let i = 0; i < this.size; i += 1) {
        const row = up ? this.size - 1 - i : i;
        for (const column of [right, right - 1]) {
          if (this.#modules[row]?.[column] === null) {
            this.#set(row, column, (bits[next] ?? false) !== isMasked(row, column));
            next += 1;
          }
        }
      }
    }
    return this.#modules.map((row) => row.map((module) => module === true));
  }

  #set(row: number, column: number, dark: boolean): void {
    const modules = this.#modules[row];
    if (modules !== undefined && column >= 0 && column < this.size) {
      modules[column] = dark;
    }
  }

  /** With the light frame around it. */
  #finder(top: number, left: number): void {
    for (let row = -1; row <= 7; row += 1) {
      for (let column = -1; column <= 7; column += 1) {
        const ring = Math.max(Math.abs(row - 3), Math.abs(column - 3));
        this.#set(top + row, left + column, ring !== 2 && ring !== 4);
      }
    }
  }

  #alignment(centreRow: number, centreColumn: number): void {
    if (this.#modules[centreRow]?.[centreColumn] !== null) {
      return;
    }
    for (let row = -2; row <= 2; row += 1) {
      for (let column = -2; column <= 2; column += 1) {
        this.#set(centreRow + row, centreColumn + column, Math.max(Math.abs(row), Math.abs(column)) !== 1);
      }
    }
  }

  #version(): void {
    if (this.version < 7) {
      return;
    }
    const bits = bitsOf((this.version << 12) | remainder(this.version, 12, 0x1f25), 18).reverse();
    bits.forEach((dark, i) => {
      const [along, across] = [Math.floor(i / 3), this.size - 11 + (i % 3)];
      this.#set(along, across, dark);
      this.#set(across, along, dark);
    });
  }

  /** The level of correction (medium is 0) and the mask, twice. */
  #format(mask: number): void {
    const bits = bitsOf(((mask << 10) | remainder(mask, 10, 0x537)) ^ 0x5412, 15).reverse();
    bits.forEach((dark, i) => {
      this.#set(i < 6 ? i : i < 8 ? i + 1 : this.size - 15 + i, 8, dark);
      this.#set(8, i < 8 ? this.size - 1 - i : i < 9 ? 7 : 14 - i, dark);
    });
    this.#set(this.size - 8, 8, true);
  }
}

/** The remainder of `value` with `length` zero bits by a polynomial of that degree. */
function remainder(value: number, length: number, polynomial: number): number {
  let rest = value;
  for (let i = 0; i < length; i += 1) {
    rest = (rest << 1) ^ ((rest >> (length - 1)) & 1 ? polynomial : 0);
  }
  return rest & ((1 << length) - 1);
}

/** How hard a code is to read: long runs, blocks, what looks like a finder, much of one colour. */
function penalty(code: readonly boolean[][]): number {
  const text = (line: readonly boolean[]) => line.map((dark) => (dark ? "1" : "0")).join("");
  const columns = code.map((_, column) => code.map((row) => row[column] === true));
  const lines = [...code, ...columns].map(text);
  const runs = sum(lines.flatMap((line) => (line.match(/0{5,}|1{5,}/g) ?? []).map(({ length }) => length - 2)));
  const finders = sum(lines.map((line) => 40 * (line.match(/(?=00001011101|10111010000)/g) ?? []).length));
  const isBlock = (row: number, column: number) =>
    [[0, 1], [1, 0], [1, 1]].every(([down = 0, right = 0]) => code[row + down]?.[column + right] === code[row]?.[column]);
  const blocks = sum(code.slice(1).map((_, row) => 3 * code.slice(1).filter((_, column) => isBlock(row, column)).length));
  const dark = code.flat().filter(Boolean).length / code.length ** 2;
  return runs + finders + blocks + 10 * Math.floor(Math.abs(dark - 0.5) * 20);
}

function bitsOf(value: number, count: number): boolean[] {
  return Array.from({ length: count }, (_, i) => ((value >> (count - 1 - i)) & 1) === 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
