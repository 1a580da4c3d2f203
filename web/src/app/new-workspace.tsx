/** Creates a workspace and shows it. */

import { useState } from "react";
import { Client } from "@earcon/client";
import { CodeField, DialogForm } from "../components/dialog-form.tsx";
import { useAppContext } from "../hooks/app-context.ts";
import { useSession, useSessionStore } from "../hooks/session-context.ts";
import { creatableIn, isLocal, organisationOf, workspaceOf } from "../live/session.ts";

interface Props {
  close(): void;
  /** The server has created it, or had it before. */
  created(workspace: string): void;
}

export function NewWorkspace({ close, created }: Props) {
  const session = useSession();
  const { fetch } = useSessionStore();
  const { workspace } = useAppContext().store.api;
  // Without accounts, an organisation is a part of the name that is typed.
  const organisations = isLocal(session) ? [] : creatableIn(session);
  const present = organisations.find(({ id }) => id === organisationOf(workspace)) ?? organisations[0];
  const [organisation, setOrganisation] = useState(present?.id);
  const [typed, setTyped] = useState("");
  const name = typed.trim();
  const run = async () => {
    const full = organisation === undefined ? name : workspaceOf(organisation, name);
    await new Client({ fetch }).createWorkspace(full);
    created(full);
  };
  return (
    <DialogForm
      title="New workspace"
      close={close}
      action="Create"
      running="Creating …"
      ready={name !== ""}
      run={run}
    >
      {(busy) => (
        <>
          {organisations.length > 1 && (
            <label className="field">
              <span>Organisation</span>
              <select
                name="organisation"
                value={organisation}
                disabled={busy}
                onChange={({ currentTarget }) => setOrganisation(currentTarget.value)}
              >
                {organisations.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <CodeField
            label="Name: small letters, digits, - and _"
            name="workspace"
            value={typed}
            disabled={busy}
            onChange={setTyped}
          />
        </>
      )}
    </DialogForm>
  );
}
