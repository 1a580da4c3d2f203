/** What all components share and what lives longer than any of them. */

import { createContext, useContext } from "react";
import type { Player } from "@earcon/client";
import type { GridView } from "../format/route.ts";
import type { Signal } from "../live/signal.ts";
import type { WorkspaceStore } from "../live/workspace-store.ts";

export interface AppContext {
  store: WorkspaceStore;
  player: Player;
  /** The player's state changed. */
  playerChanged: Signal;
  /** The last filter and order of the cards. */
  view: { current: GridView };
}

export const AppContext = createContext<AppContext | null>(null);

export function useAppContext(): AppContext {
  const context = useContext(AppContext);
  if (context === null) {
    throw new Error("a component was rendered outside of the dashboard");
  }
  return context;
}
