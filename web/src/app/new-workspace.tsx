/** Creates a workspace and shows it. */

import { useState } from "react";
import { Client } from "@earcon/client";
import { CodeField, DialogForm } from "../components/dialog-form.tsx";

interface Props {
  close(): void;
  /** The server has created it, or had it before. */
  created(workspace: string): void;
}

export function NewWorkspace({ close, created }: Props) {
  const [typed, setTyped] = useState("");
  const name = typed.trim();
  const run = async () => {
    await new Client().createWorkspace(name);
    created(name);
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
        <CodeField
          label="Name: small letters, digits, - and _"
          name="workspace"
          value={typed}
          disabled={busy}
          onChange={setTyped}
        />
      )}
    </DialogForm>
  );
}
