/** The route in the address of the page. */

import { useSyncExternalStore } from "react";
import { parseRoute, routeHash, type Route } from "../format/route.ts";

function onHashChange(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  return parseRoute(hash);
}

/** Opens another page. The browser's back button returns to the present one. */
export function openRoute(route: Route): void {
  location.hash = routeHash(route);
}

/** Changes the address without a new entry in the browser's history. */
export function replaceRoute(route: Route): void {
  history.replaceState(null, "", routeHash(route));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
