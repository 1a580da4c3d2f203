/** The route in the address of the page. */

import { useSyncExternalStore } from "react";
import { parseRoute, type Route } from "../format/route.ts";

function onHashChange(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  return parseRoute(hash);
}
