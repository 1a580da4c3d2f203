/** Changes the roles of a member. */

import { useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import { grantable } from "../../format/accounts.ts";
import { useSession } from "../../hooks/session-context.ts";
import type { AccountsApi, Grant, Member } from "../../live/accounts-api.ts";
import { roleIn } from "../../live/session.ts";
import { GrantFields, isComplete } from "./grant-fields.tsx";
import { memberProblem } from "./problems.ts";
import { useWorkspaceNames } from "./use-workspace-names.ts";

const NEW_GRANT: Grant = { role: "viewer", workspaces: [] };

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
  const [grants, setGrants] = useState(member.grants);
  const replace = (at: number, grant: Grant) => setGrants(grants.map((each, i) => (i === at ? grant : each)));
  return (
    <DialogForm
      title={`Role of ${member.user.name}`}
      close={close}
      action="Save"
      running="Saving …"
      ready={grants.length > 0 && grants.every(isComplete)}
      run={async () => {
        await api.changeMember(member.user.id, grants).catch(memberProblem(member));
        changed();
      }}
    >
      {(busy) => (
        <>
          {grants.map((grant, i) => (
            <div key={i} className="grant">
              <GrantFields
                name={`grant-${i}`}
                roles={grantable(roleIn(session, organisation))}
                workspaces={workspaces}
                value={grant}
                onChange={(grant) => replace(i, grant)}
                disabled={busy}
              />
              {grants.length > 1 && (
                <button type="button" className="quiet" disabled={busy} onClick={() => setGrants(grants.filter((_, at) => at !== i))}>
                  Without this role
                </button>
              )}
            </div>
          ))}
          <button type="button" className="quiet" disabled={busy} onClick={() => setGrants([...grants, NEW_GRANT])}>
            A further role for some workspaces
          </button>
        </>
      )}
    </DialogForm>
  );
}
