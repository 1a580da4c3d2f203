/** The members of an organisation and their roles. */

import { useCallback, useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import { Loaded } from "../../components/loaded.tsx";
import { grantable, reachWords } from "../../format/accounts.ts";
import { counted } from "../../format/count.ts";
import { useSession, useSessionStore } from "../../hooks/session-context.ts";
import { useListing } from "../../hooks/use-listing.ts";
import type { AccountsApi, Member } from "../../live/accounts-api.ts";
import { roleIn } from "../../live/session.ts";
import { MemberDialog } from "./member-dialog.tsx";
import { memberProblem } from "./problems.ts";

interface Props {
  api: AccountsApi;
  organisation: string;
}

export function Members({ api, organisation }: Props) {
  const session = useSession();
  const store = useSessionStore();
  const listing = useListing(useCallback((signal: AbortSignal) => api.members(signal), [api]));
  const [changing, setChanging] = useState<Member | null>(null);
  const [removing, setRemoving] = useState<Member | null>(null);
  const given = grantable(roleIn(session, organisation));
  const own = session.user?.id;
  const changed = () => {
    listing.reload();
    void store.look();
  };
  return (
    <>
      <Loaded title="Members" listing={listing}>
        {(members) => (
          <>
            <p>{counted(members.length, "person belongs", "people belong")} to this organisation. Invitations add others.</p>
            <ul className="rows" aria-label="Members">
              {[...members].sort((a, b) => a.user.name.localeCompare(b.user.name)).map((member) => (
                <li key={member.user.id} data-testid="member" data-login={member.user.login}>
                  <div className="row-words">
                    <strong>{member.user.name}</strong> <span className="muted">{member.user.login}</span>
                    {member.user.id === own && <em className="tag">you</em>}
                    {member.user.disabled && <em className="tag">disabled</em>}
                    <p className="muted small">{grantsWords(member)}</p>
                  </div>
                  {/* Nobody changes those who have more rights. */}
                  {member.grants.every(({ role }) => given.includes(role)) && (
                    <div className="actions">
                      <button type="button" aria-label={`Change the role of ${member.user.name}`} onClick={() => setChanging(member)}>
                        Role …
                      </button>
                      <button type="button" aria-label={`Remove ${member.user.name}`} onClick={() => setRemoving(member)}>
                        Remove …
                      </button>
                    </div>
                  )}
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
      {changing !== null && (
        <MemberDialog
          api={api}
          organisation={organisation}
          member={changing}
          close={() => setChanging(null)}
          changed={changed}
        />
      )}
      {removing !== null && (
        <DialogForm
          title={`Remove ${removing.user.name}`}
          close={() => setRemoving(null)}
          action="Remove"
          running="Removing …"
          danger
          ready
          run={async () => {
            await api.removeMember(removing.user.id).catch(memberProblem(removing));
            changed();
          }}
        >
          {() => (
            <p>
              {removing.user.name} ({removing.user.login}) loses all rights in this organisation, and so do the keys of this
              person. Open pages and sounds stop within seconds. What this person acknowledged stays.
            </p>
          )}
        </DialogForm>
      )}
    </>
  );
}

function grantsWords({ grants }: Member): string {
  return grants.map(({ role, workspaces }) => `${role} of ${reachWords(workspaces)}`).join("; ") || "no role";
}
