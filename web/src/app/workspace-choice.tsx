/** The choice of the workspace in the header, grouped by organisation if there are several. */

import { useState } from "react";
import { isOverview, type Route } from "../format/route.ts";
import { useAppContext } from "../hooks/app-context.ts";
import { useSession } from "../hooks/session-context.ts";
import { openRoute } from "../hooks/use-route.ts";
import { useSignal } from "../hooks/use-signal.ts";
import { creatableIn, groupWorkspaces, isLocal, type Permission, shortName } from "../live/session.ts";
import { DeleteWorkspace } from "./delete-workspace.tsx";
import { NewWorkspace } from "./new-workspace.tsx";
import type { Workspaces } from "./use-workspaces.ts";

/** The values of the options for a new workspace, and to delete this one. No workspace has them. */
const NEW = "+";
const DELETE = "-";

interface Props {
  route: Route;
  workspaces: Workspaces;
  /** What may be done in the workspace. */
  may: ReadonlySet<Permission>;
}

export function WorkspaceChoice({ route, workspaces, may }: Props) {
  const [dialog, setDialog] = useState<typeof NEW | typeof DELETE | null>(null);
  const session = useSession();
  const { store } = useAppContext();
  useSignal(store.connectionChanged);
  const { workspace } = store.api;
  const { mayCreate } = workspaces;
  const creates = mayCreate && (isLocal(session) || creatableIn(session).length > 0);
  const deletes = mayCreate && may.has("manage-workspaces") && !store.missing;
  const open = (chosen: string) => openRoute(sameElsewhere(route, chosen));
  const groups = groupWorkspaces(workspaces.workspaces, session);
  return (
    <>
      <select
        aria-label="Workspace"
        value={workspace}
        onChange={({ currentTarget }) => {
          const chosen = currentTarget.value;
          if (chosen !== NEW && chosen !== DELETE) {
            open(chosen);
            return;
          }
          currentTarget.value = workspace;
          setDialog(chosen);
        }}
      >
        {groups.length > 1
          ? groups.map(({ organisation, workspaces: grouped }) => (
              <optgroup key={organisation.id} label={organisation.name}>
                {grouped.map((each) => (
                  <option key={each} value={each}>
                    {shortName(each)}
                  </option>
                ))}
              </optgroup>
            ))
          : workspaces.workspaces.map((each) => <option key={each}>{each}</option>)}
        {creates && <option value={NEW}>New workspace…</option>}
        {deletes && <option value={DELETE}>Delete this workspace…</option>}
      </select>
      {dialog === NEW && <NewWorkspace close={() => setDialog(null)} created={open} />}
      {dialog === DELETE && (
        <DeleteWorkspace key={workspace} close={() => setDialog(null)} deleted={workspaces.leave} />
      )}
    </>
  );
}

/** The same page of another workspace. What is selected in this one may not exist there. */
function sameElsewhere({ page }: Route, workspace: string): Route {
  return isOverview(page) ? { page, workspace } : { page: "grid", workspace };
}
