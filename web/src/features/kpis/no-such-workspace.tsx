/** In place of a page whose workspace does not exist, with the way to create it. */

import { useState } from "react";
import { useAppContext } from "../../hooks/app-context.ts";

export function NoSuchWorkspace() {
  const { store } = useAppContext();
  const { workspace } = store.api;
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const create = () => {
    setBusy(true);
    setProblem(null);
    store.api
      .createWorkspace(workspace)
      .then(
        () => store.reconnectNow(),
        (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => setBusy(false));
  };
  return (
    <section className="empty" aria-label="No such workspace" data-testid="no-such-workspace">
      <h1>No such workspace</h1>
      <p>
        This server has no workspace named <code>{workspace}</code>. Samples do not create one. Choose another one above
        {store.mayCreate ? ", or create it." : "."}
      </p>
      {store.mayCreate ? (
        <button type="button" className="primary" disabled={busy} onClick={create}>
          Create {workspace}
        </button>
      ) : (
        <p>
          Only the server’s settings create workspaces: <code>workspaces.names</code>.
        </p>
      )}
      {problem !== null && <p role="alert">{problem}</p>}
    </section>
  );
}
