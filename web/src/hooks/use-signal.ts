/** Renders the component again when a signal is emitted. */

import { useSyncExternalStore } from "react";
import type { Signal } from "../live/signal.ts";

export function useSignal(signal: Signal): number {
  return useSyncExternalStore(signal.subscribe, () => signal.version);
}
