/** The phases of the session of the page, and the parts that its store works with. */

import type { Session } from "./session.ts";

export type Gate =
  /** The server was not asked yet, or has not answered. `problem`: why it did not. */
  | { phase: "asking"; problem: string | null }
  /** The page may be used. */
  | { phase: "open"; session: Session }
  /**
   * A sign-in is needed. `before`: the session that has ended while its page was open; null after a
   * sign-out. `unclaimed`: the server has no owner yet.
   */
  | { phase: "closed"; unclaimed: boolean; before: Session | null };

/** What connects the tabs of a browser. */
export interface Tabs {
  /** Runs `task` while no other tab runs one. */
  exclusive<T>(task: () => Promise<T>): Promise<T>;
  /** Tells the other tabs that the session has changed. */
  tell(): void;
  /** Calls back after another tab did that. */
  listen(changed: () => void): void;
}

export interface Credentials {
  login: string;
  password: string;
  /** Of the second factor. */
  code?: string;
}

/** An account that is made with a link. */
export interface NewUser {
  login: string;
  name: string;
  password: string;
}
