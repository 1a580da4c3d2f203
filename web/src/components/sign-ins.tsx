/** The sign-ins of people, each with the way to end it. */

import { useState } from "react";
import { agentWords, instant } from "../format/accounts.ts";
import { ago, longDate } from "../format/time.ts";
import { useNow } from "../hooks/use-now.ts";
import type { AccountsApi, SignIn } from "../live/accounts-api.ts";
import { DialogForm } from "./dialog-form.tsx";

interface Props {
  api: AccountsApi;
  signIns: SignIn[];
  /** Whether the list has those of several people. */
  named: boolean;
  /** One was ended. */
  changed(): void;
}

export function SignIns({ api, signIns, named, changed }: Props) {
  const now = useNow();
  const [ending, setEnding] = useState<SignIn | null>(null);
  const ordered = [...signIns].sort(
    (a, b) => Number(b.current) - Number(a.current) || instant(b.last_used_at) - instant(a.last_used_at),
  );
  return (
    <>
      <ul className="rows" aria-label="Sessions">
        {ordered.map((each) => (
          <li key={each.id} data-testid="session" data-current={each.current}>
            <div className="row-words">
              <strong>{named ? nameOf(each) : agentWords(each.agent)}</strong>
              {named && <span className="muted"> {each.user?.login}</span>}
              {each.current && <em className="tag">this browser</em>}
              <p className="muted small">
                {named && `${agentWords(each.agent)}, `}
                from {each.address}; used {ago(instant(each.last_used_at), now)}, begun {longDate(instant(each.created_at))}, ends{" "}
                {longDate(instant(each.expires_at))} at the latest
              </p>
            </div>
            <div className="actions">
              {!each.current && (
                <button type="button" aria-label={`End the session of ${nameOf(each)}, ${agentWords(each.agent)}`} onClick={() => setEnding(each)}>
                  End
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
      {ending !== null && (
        <DialogForm
          title="End the session"
          close={() => setEnding(null)}
          action="End the session"
          running="Ending …"
          danger
          ready
          run={async () => {
            await api.endSession(ending.id);
            changed();
          }}
        >
          {() => (
            <p>
              {agentWords(ending.agent)} of {nameOf(ending)}, from {ending.address}, is signed out. Its page and its sound
              stop within seconds.
            </p>
          )}
        </DialogForm>
      )}
    </>
  );
}

function nameOf({ user }: SignIn): string {
  return user?.name ?? "a removed user";
}
