/** Polls while the component is mounted, and renders it again after each answer. */

import { useEffect } from "react";
import type { Poller } from "../live/poller.ts";
import { useSignal } from "./use-signal.ts";

export function usePoller<T>(poller: Poller<T>): void {
  useSignal(poller.changed);
  useEffect(() => {
    poller.start();
    return () => poller.stop();
  }, [poller]);
}
