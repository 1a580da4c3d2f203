/** Makes an invitation, and shows its link once. */

import { useState } from "react";
import { Dialog } from "../../components/dialog.tsx";
import { DialogForm } from "../../components/dialog-form.tsx";
import { SecretOnce } from "../../components/secret-once.tsx";
import { grantable } from "../../format/accounts.ts";
import { useSession } from "../../hooks/session-context.ts";
import type { AccountsApi, Grant } from "../../live/accounts-api.ts";
import { roleIn } from "../../live/session.ts";
import { DaysField } from "./days-field.tsx";
import { GrantFields, isComplete } from "./grant-fields.tsx";
import { useWorkspaceNames } from "./use-workspace-names.ts";

/** The server permits up to 14. */
const DAYS = [1, 7, 14];

interface Props {
  api: AccountsApi;
  organisation: string;
  close(): void;
  made(): void;
}

export function InviteDialog({ api, organisation, close, made }: Props) {
  const session = useSession();
  const workspaces = useWorkspaceNames(organisation);
  const [grant, setGrant] = useState<Grant>({ role: "viewer", workspaces: null });
  const [days, setDays] = useState<number | null>(7);
  const [link, setLink] = useState<string | null>(null);
  if (link !== null) {
    return (
      <Dialog label="The invitation" onClose={close}>
        <div className="account-form">
          <h2>The invitation</h2>
          <SecretOnce what="link" secret={link}>
            <p>
              Send it to one person, in a way that only this person reads. Who opens it first becomes {grant.role} of the
              organisation.
            </p>
          </SecretOnce>
          <div className="actions">
            <button type="button" onClick={close}>
              Done
            </button>
          </div>
        </div>
      </Dialog>
    );
  }
  return (
    <DialogForm
      title="Invite somebody"
      close={close}
      done={made}
      action="Make the link"
      running="Making it …"
      ready={isComplete(grant)}
      run={async () => {
        setLink((await api.invite(grant, days ?? 7)).link);
      }}
    >
      {(busy) => (
        <>
          <GrantFields
            name="invitation"
            roles={grantable(roleIn(session, organisation))}
            workspaces={workspaces}
            value={grant}
            onChange={setGrant}
            disabled={busy}
          />
          <DaysField label="The link works for" options={DAYS} value={days} onChange={setDays} disabled={busy} />
        </>
      )}
    </DialogForm>
  );
}
