/** Changes the role of a member. */

import { useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import { grantable } from "../../format/accounts.ts";
import { useSession } from "../../hooks/session-context.ts";
import type { AccountsApi, Grant, Member } from "../../live/accounts-api.ts";
import { roleIn } from "../../live/session.ts";
import { GrantFields, isComplete } from "./grant-fields.tsx";
import { memberProblem } from "./problems.ts";
import { useWorkspaceNames } from "./use-workspace-names.ts";

interface Props {
  api: AccountsApi;
  organisation: string;
  member: Member;
  close(): void;
  changed(): void;
}

export function MemberDialog({ api, organisation, member, close, changed }: Props) {
  const session = useSession();
  const workspaces = useWorkspaceNames(organisation);
  const [grant, setGrant] = useState<Grant>(member.grants[0] ?? { role: "viewer", workspaces: null });
  return (
    <DialogForm
      title={`Role of ${member.user.name}`}
      close={close}
      action="Save"
      running="Saving …"
      ready={isComplete(grant)}
      run={async () => {
        await api.changeMember(member.user.id, grant).catch(memberProblem(member));
        changed();
      }}
    >
      {(busy) => (
        <>
          {member.grants.length > 1 && (
            <p className="notice">
              This member has {member.grants.length} roles. People give one of them; the others come from rules for groups of
              an issuer, and stay as they are.
            </p>
          )}
          <GrantFields
            name="member"
            roles={grantable(roleIn(session, organisation))}
            workspaces={workspaces}
            value={grant}
            onChange={setGrant}
            disabled={busy}
          />
        </>
      )}
    </DialogForm>
  );
}
