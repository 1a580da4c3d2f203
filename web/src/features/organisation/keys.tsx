/** Keys for programs: who owns them, what they may do, and until when. */

import { useCallback, useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import { Loaded } from "../../components/loaded.tsx";
import { instant, keyState, reachWords, sortPermissions } from "../../format/accounts.ts";
import { ago, longDate } from "../../format/time.ts";
import { useListing } from "../../hooks/use-listing.ts";
import { useNow } from "../../hooks/use-now.ts";
import type { AccountsApi, ApiKey } from "../../live/accounts-api.ts";
import { NewKeyDialog } from "./new-key-dialog.tsx";
import { RotateDialog } from "./rotate-dialog.tsx";

interface Props {
  api: AccountsApi;
  organisation: string;
}

export function Keys({ api, organisation }: Props) {
  const now = useNow();
  const listing = useListing(useCallback((signal: AbortSignal) => api.keys(signal), [api]));
  const [making, setMaking] = useState(false);
  const [rotating, setRotating] = useState<ApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  return (
    <>
      <p>A program signs in with a key: an agent that sends samples, a script, a loudspeaker. A key may do no more than you.</p>
      <div className="actions">
        <button type="button" className="primary" onClick={() => setMaking(true)}>
          New key …
        </button>
      </div>
      <Loaded title="Keys" listing={listing}>
        {(keys) =>
          keys.length === 0 ? (
            <p className="empty-note">There is no key yet.</p>
          ) : (
            <ul className="rows" aria-label="Keys">
              {[...keys].sort((a, b) => compareKeys(a, b, now)).map((key) => (
                <KeyRow key={key.id} of={key} now={now} rotate={() => setRotating(key)} revoke={() => setRevoking(key)} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {making && <NewKeyDialog api={api} organisation={organisation} close={() => setMaking(false)} made={listing.reload} />}
      {rotating !== null && (
        <RotateDialog api={api} rotated={rotating} close={() => setRotating(null)} made={listing.reload} />
      )}
      {revoking !== null && (
        <DialogForm
          title={`Revoke the key ${revoking.name}`}
          close={() => setRevoking(null)}
          action="Revoke"
          running="Revoking …"
          danger
          ready
          run={async () => {
            await api.revokeKey(revoking.id);
            listing.reload();
          }}
        >
          {() => (
            <p>
              Programs with <code>{revoking.prefix}</code> are refused from now on, and their streams end within seconds. This
              cannot be undone; a new key can be made.
            </p>
          )}
        </DialogForm>
      )}
    </>
  );
}

/** Valid ones first, then the newest. */
function compareKeys(a: ApiKey, b: ApiKey, now: number): number {
  const valid = (key: ApiKey) => Number(keyState(key, now).valid);
  return valid(b) - valid(a) || instant(b.created_at) - instant(a.created_at);
}

interface RowProps {
  of: ApiKey;
  now: number;
  rotate(): void;
  revoke(): void;
}

function KeyRow({ of: key, now, rotate, revoke }: RowProps) {
  const { valid, words } = keyState(key, now);
  const used = key.last_used_at === null ? "never used" : `used ${ago(instant(key.last_used_at), now)}`;
  return (
    <li data-testid="key" data-key={key.id} data-valid={valid} className={valid ? undefined : "is-over"}>
      <div className="row-words">
        <strong>{key.name}</strong> <code>{key.prefix}…</code>
        <p className="small">
          {sortPermissions(key.permissions).join(", ")}; {reachWords(key.workspaces)}
          {key.kpis !== null && (
            <>
              , KPIs <code>{key.kpis}</code>
            </>
          )}
          {key.mix !== null && (
            <>
              , mix <code>{key.mix}</code>
            </>
          )}
        </p>
        <p className="muted small">
          {words}; of {key.owner.kind === "service" ? `the service ${key.owner.name}` : key.owner.name}, made{" "}
          {longDate(instant(key.created_at))}, {used}
        </p>
      </div>
      {valid && (
        <div className="actions">
          <button type="button" aria-label={`Rotate ${key.name}`} onClick={rotate}>
            Rotate …
          </button>
          <button type="button" aria-label={`Revoke ${key.name}`} onClick={revoke}>
            Revoke …
          </button>
        </div>
      )}
    </li>
  );
}
