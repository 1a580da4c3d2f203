/** The current time, to the second. All components share one timer. */

import { useSyncExternalStore } from "react";

const LISTENERS = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;
let now = Date.now();

/** Calls `listener` every second. Returns the unsubscribe function. */
export function everySecond(listener: () => void): () => void {
  LISTENERS.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    LISTENERS.forEach((each) => each());
  }, 1_000);
  return () => {
    LISTENERS.delete(listener);
    if (LISTENERS.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** Milliseconds since the Unix epoch. */
export function useNow(): number {
  return useSyncExternalStore(everySecond, () => (timer === null ? (now = Date.now()) : now));
}
