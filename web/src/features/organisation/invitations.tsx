/** Open invitations, and the form for a new one. */

import { useCallback, useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import { Loaded } from "../../components/loaded.tsx";
import { endWords, instant, reachWords } from "../../format/accounts.ts";
import { longDate } from "../../format/time.ts";
import { useListing } from "../../hooks/use-listing.ts";
import { useNow } from "../../hooks/use-now.ts";
import type { AccountsApi, Invitation } from "../../live/accounts-api.ts";
import { InviteDialog } from "./invite-dialog.tsx";

interface Props {
  api: AccountsApi;
  organisation: string;
}

export function Invitations({ api, organisation }: Props) {
  const now = useNow();
  const listing = useListing(useCallback((signal: AbortSignal) => api.invitations(signal), [api]));
  const [inviting, setInviting] = useState(false);
  const [withdrawing, setWithdrawing] = useState<Invitation | null>(null);
  return (
    <>
      <p>An invitation is a link for one person. Who opens it makes an account, or joins with the one they have.</p>
      <div className="actions">
        <button type="button" className="primary" onClick={() => setInviting(true)}>
          Invite somebody …
        </button>
      </div>
      <Loaded title="Invitations" listing={listing}>
        {(invitations) =>
          invitations.length === 0 ? (
            <p className="empty-note">No invitation is open.</p>
          ) : (
            <ul className="rows" aria-label="Open invitations">
              {invitations.map((each) => (
                <li key={each.id} data-testid="invitation">
                  <div className="row-words">
                    <strong>{each.role}</strong> of {reachWords(each.workspaces)}
                    <p className="muted small">
                      by {each.by}, {longDate(instant(each.created_at))}; {endWords(each.expires_at, now)}
                    </p>
                  </div>
                  <div className="actions">
                    <button type="button" aria-label={`Withdraw the invitation as ${each.role}`} onClick={() => setWithdrawing(each)}>
                      Withdraw …
                    </button>
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {inviting && (
        <InviteDialog api={api} organisation={organisation} close={() => setInviting(false)} made={listing.reload} />
      )}
      {withdrawing !== null && (
        <DialogForm
          title="Withdraw the invitation"
          close={() => setWithdrawing(null)}
          action="Withdraw"
          running="Withdrawing …"
          danger
          ready
          run={async () => {
            await api.withdraw(withdrawing.id);
            listing.reload();
          }}
        >
          {() => <p>Its link does not work any more. Who has used it before stays a member.</p>}
        </DialogForm>
      )}
    </>
  );
}
