/** Keyboard shortcuts: `/` focuses the filter, `l` starts or stops the sound. */

import { useEffect } from "react";
import type { AppContext } from "../hooks/app-context.ts";

/** @param listens whether the session may hear the workspace */
export function useShortcuts({ store, player }: AppContext, listens: boolean): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      if (event.key === "/") {
        const filter = document.getElementById("filter");
        if (filter !== null) {
          event.preventDefault();
          filter.focus();
        }
      } else if (event.key === "l" && listens) {
        const { state } = player.now;
        if (state === "off" || state === "failed") {
          player.start(store.api);
        } else {
          player.stop();
        }
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [store, player, listens]);
}
