/**
 * Whether the shown state is still that of the server. Pure: the connection's state and the time
 * are arguments.
 */

import type { Link } from "@earcon/client";

/** A shorter interruption is not reported: most connections come back at once. */
export const GRACE_MS = 2_000;
/**
 * A connection that is silent for this time is not trusted. The client pings after 15 s of silence,
 * so that a working connection never is.
 */
export const SILENCE_MS = 20_000;

export class Freshness {
  /** Whether the connection was live at the last change. */
  #live = false;
  /** When the connection was lost. null while it is live, and before it was live at all. */
  #lostAt: number | null = null;

  /** Records a change of the connection. */
  update(link: Link, now: number): void {
    const live = link.phase === "live";
    if (live) {
      this.#lostAt = null;
    } else if (this.#live) {
      // A connection that died silently was lost with its last message.
      this.#lostAt = now - link.heardAt >= SILENCE_MS ? link.heardAt : now;
    }
    this.#live = live;
  }

  /** The time up to which the state is known. null if it is current. */
  outdatedSince(link: Link, now: number): number | null {
    if (this.#lostAt !== null) {
      return now - this.#lostAt >= GRACE_MS ? this.#lostAt : null;
    }
    return this.#live && now - link.heardAt >= SILENCE_MS ? link.heardAt : null;
  }
}
