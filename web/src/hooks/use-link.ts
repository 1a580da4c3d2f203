/** Addresses of pages. They name the workspace, so that a link can be shared. */

import { isGrid, type Route, routeHash } from "../format/route.ts";
import { useAppContext } from "./app-context.ts";

/** Links to the cards keep their last filter and order, unless the workspace changes. */
export function useLink(): (route: Route) => string {
  const { store, view } = useAppContext();
  return (route) => {
    const same = route.workspace === undefined || route.workspace === store.api.workspace;
    const kept = isGrid(route) && same ? view.current : {};
    return routeHash({ workspace: store.api.workspace, ...kept, ...route });
  };
}
