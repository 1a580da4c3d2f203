/** The workspaces of the server, and the one that the address names. */

import { useEffect, useState } from "react";
import { Client } from "@earcon/client";
import { isGrid, type Route } from "../format/route.ts";
import { firstWorkspace } from "../format/workspaces.ts";
import { useSession, useSessionStore } from "../hooks/session-context.ts";
import { replaceRoute } from "../hooks/use-route.ts";
import { useStored } from "../hooks/use-stored.ts";
import { isLocal } from "../live/session.ts";

export interface Workspaces {
  workspaces: string[];
  workspace: string;
  /** Whether it is the one to show: not a guess until the server has named its workspaces. */
  known: boolean;
  /** Whether the server creates workspaces for this page. */
  mayCreate: boolean;
  /** Shows another workspace, because this one was deleted. */
  leave(workspace: string): void;
}

/**
 * An address without a workspace is completed with the one used last, so that it can be shared.
 */
export function useWorkspaces(route: Route): Workspaces {
  const session = useSession();
  const { fetch } = useSessionStore();
  /** null before the server's answer. Empty if there is none. */
  const [names, setNames] = useState<string[] | null>(null);
  const [mayCreate, setMayCreate] = useState(false);
  const [last, remember] = useStored("workspace", "local");
  const [order] = useStored("order", "name");
  const workspace = route.workspace ?? last;
  // A right may have come or gone.
  const rights = JSON.stringify(session.organisations ?? null);
  useEffect(() => {
    void new Client({ fetch }).workspaceList().then(
      ({ workspaces, may_create }) => {
        setNames(workspaces.map(({ id }) => id));
        setMayCreate(may_create);
      },
      // The connection status reports the problem.
      () => setNames((names) => names ?? []),
    );
  }, [fetch, rights]);
  useEffect(() => {
    if (route.workspace !== undefined) {
      remember(route.workspace);
    } else if (names !== null) {
      const preferred = isGrid(route) && order === "score" ? { order } : {};
      replaceRoute({ ...preferred, ...route, workspace: firstWorkspace(names, last, session) } as Route);
    }
  });
  // The workspace may have been created after the list was loaded, or not yet.
  const workspaces = [...new Set([...(names ?? []), workspace])].sort();
  const leave = (deleted: string) => {
    const rest = (names ?? []).filter((name) => name !== deleted);
    setNames(rest);
    const next = firstWorkspace(rest, "local", session);
    remember(next);
    replaceRoute({ page: "grid", workspace: next });
  };
  // With accounts, the workspace used last may be that of another user.
  const known = route.workspace !== undefined || isLocal(session);
  return { workspaces, workspace, known, mayCreate, leave };
}
