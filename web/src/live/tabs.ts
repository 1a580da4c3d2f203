/** The tabs of this browser that show the same server: a lock, and messages between them. */

import type { Tabs } from "./session-gate.ts";

const NAME = "earcon.session";

/**
 * Browsers have locks only on `https` and on this machine. Elsewhere tabs do not wait for each
 * other; the server gives tabs that renew at the same moment the same session.
 */
export function browserTabs(): Tabs {
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(NAME);
  const locks = (navigator as { locks?: LockManager }).locks;
  return {
    exclusive: async <T>(task: () => Promise<T>): Promise<T> =>
      locks === undefined ? task() : ((await locks.request(NAME, task)) as T),
    tell: () => channel?.postMessage("changed"),
    listen: (changed) => channel?.addEventListener("message", changed),
  };
}
