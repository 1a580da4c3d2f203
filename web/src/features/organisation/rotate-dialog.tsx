/** Gives a key another secret. The present one works on for a while. */

import { useState } from "react";
import { DialogForm } from "../../components/dialog-form.tsx";
import type { AccountsApi, ApiKey } from "../../live/accounts-api.ts";
import { NewKeyShown } from "./new-key-shown.tsx";

/** Hours that both secrets work, in words. */
const OVERLAPS: readonly [number, string][] = [
  [0, "not at all: it ends now"],
  [1, "for one hour"],
  [24, "for a day"],
  [7 * 24, "for a week"],
];

interface Props {
  api: AccountsApi;
  rotated: ApiKey;
  close(): void;
  made(): void;
}

export function RotateDialog({ api, rotated, close, made }: Props) {
  const [hours, setHours] = useState(24);
  const [secret, setSecret] = useState<string | null>(null);
  const overlap = OVERLAPS.find(([each]) => each === hours)?.[1] ?? "";
  if (secret !== null) {
    return (
      <NewKeyShown secret={secret} close={close}>
        <p>{hours === 0 ? "The secret before it has ended." : `The secret before it works ${overlap}.`}</p>
      </NewKeyShown>
    );
  }
  return (
    <DialogForm
      title={`Rotate the key ${rotated.name}`}
      close={close}
      done={made}
      action="Make a new secret"
      running="Making it …"
      ready
      run={async () => setSecret((await api.rotateKey(rotated.id, hours)).key)}
    >
      {(busy) => (
        <>
          <p>The key keeps its name and its rights, and gets another secret. Give it to the programs before the present one ends.</p>
          <label className="field">
            <span>The present secret works on</span>
            <select value={hours} disabled={busy} onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}>
              {OVERLAPS.map(([each, words]) => (
                <option key={each} value={each}>
                  {words}
                </option>
              ))}
            </select>
          </label>
        </>
      )}
    </DialogForm>
  );
}
