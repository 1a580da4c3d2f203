/** In place of a page whose workspace does not exist, with the way to create it. */

import { useState } from "react";
import { useAppContext } from "../../hooks/app-context.ts";
import { useAccounts, useOrganisationPermissions, useSessionStore } from "../../hooks/session-context.ts";
import { organisationOf } from "../../live/session.ts";

export function NoSuchWorkspace() {
  const { store } = useAppContext();
  const { workspace } = store.api;
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const accounts = useAccounts();
  const session = useSessionStore();
  // A workspace without a right to read is not followed: nothing has asked whether it may be made.
  const manages = useOrganisationPermissions(organisationOf(workspace)).has("manage-workspaces");
  const creates = accounts ? manages : store.mayCreate;
  const create = () => {
    setBusy(true);
    setProblem(null);
    store.api
      .createWorkspace(workspace)
      .then(
        () => {
          store.reconnectNow();
          void session.look();
        },
        (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => setBusy(false));
  };
  return (
    <section className="empty" aria-label="No such workspace" data-testid="no-such-workspace">
      <h1>No such workspace</h1>
      <p>
        {accounts ? "You have no workspace named " : "This server has no workspace named "}
        <code>{workspace}</code>. Samples do not create one. Choose another one above
        {creates ? ", or create it." : "."}
      </p>
      {creates ? (
        <button type="button" className="primary" disabled={busy} onClick={create}>
          Create {workspace}
        </button>
      ) : accounts ? (
        <p>An administrator of the organisation creates workspaces, and decides who may use them.</p>
      ) : (
        <p>
          Only the server’s settings create workspaces: <code>workspaces.names</code>.
        </p>
      )}
      {problem !== null && <p role="alert">{problem}</p>}
    </section>
  );
}
