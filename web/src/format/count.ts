/**
 * Counts, as people read them. The server writes the same texts in `crates/model/src/wording.rs`.
 */

import { thousands } from "./units.ts";

/** All digits, in groups of three when there are more than four: `12,345`. */
export function whole(count: number): string {
  return thousands(String(count));
}

/** A count with its noun: `1 sample`, `12,345 samples`. A verb may follow the noun. */
export function counted(count: number, one: string, many: string): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}
