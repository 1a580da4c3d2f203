/** Since when the shown state is outdated. */

import { useCallback, useSyncExternalStore } from "react";
import { useAppContext } from "./app-context.ts";
import { everySecond, useNow } from "./use-now.ts";

/**
 * Milliseconds since the Unix epoch. null if the state is current. The component is rendered again
 * only if the answer changes.
 */
export function useOutdated(): number | null {
  const { store } = useAppContext();
  const subscribe = useCallback(
    (listener: () => void) => {
      const ends = [store.connectionChanged.subscribe(listener), everySecond(listener)];
      return () => ends.forEach((end) => end());
    },
    [store],
  );
  return useSyncExternalStore(subscribe, () => store.outdatedSince(Date.now()));
}

/** The time up to which the state is known: now, unless it is outdated. */
export function useKnownTime(): number {
  const now = useNow();
  return useOutdated() ?? now;
}
