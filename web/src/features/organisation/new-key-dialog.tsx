/** Makes a key, and shows it once. */

import { useState } from "react";
import { CodeField, DialogForm } from "../../components/dialog-form.tsx";
import { KEY_PURPOSES, limitsOf, PERMISSION_WORDS, sortPermissions } from "../../format/accounts.ts";
import { useSession } from "../../hooks/session-context.ts";
import type { AccountsApi } from "../../live/accounts-api.ts";
import { type Permission, permissionsAnywhere, permissionsFor } from "../../live/session.ts";
import { DaysField } from "./days-field.tsx";
import { NewKeyShown } from "./new-key-shown.tsx";
import { ReachField } from "./reach-field.tsx";
import { useWorkspaceNames } from "./use-workspace-names.ts";

const DAYS = [30, 90, 365, null];

interface Props {
  api: AccountsApi;
  organisation: string;
  close(): void;
  made(): void;
}

export function NewKeyDialog({ api, organisation, close, made }: Props) {
  const session = useSession();
  const known = useWorkspaceNames(organisation);
  const own = sortPermissions(permissionsAnywhere(session, organisation));
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly Permission[]>(own.includes("ingest") ? ["ingest"] : own.slice(0, 1));
  const mayAll = permissionsFor(session, organisation).size > 0;
  const [workspaces, setWorkspaces] = useState<string[] | null>(mayAll ? null : []);
  const [kpis, setKpis] = useState("");
  const [mix, setMix] = useState("");
  const [days, setDays] = useState<number | null>(365);
  const [secret, setSecret] = useState<string | null>(null);
  if (secret !== null) {
    return <NewKeyShown secret={secret} close={close} />;
  }
  const limits = limitsOf(chosen);
  const reachGiven = workspaces === null || workspaces.length > 0;
  const run = async () => {
    const limited = (able: boolean, text: string) => (able && text.trim() !== "" ? text.trim() : null);
    const scope = {
      permissions: [...chosen],
      workspaces,
      kpis: limited(limits.kpis, kpis),
      mix: limited(limits.mix, mix),
    };
    setSecret((await api.createKey(name.trim(), scope, days)).key);
  };
  return (
    <DialogForm
      title="New key"
      close={close}
      done={made}
      action="Make the key"
      running="Making it …"
      ready={name.trim() !== "" && chosen.length > 0 && reachGiven}
      run={run}
    >
      {(busy) => (
        <>
          <CodeField label="Name, such as the program and its place" name="name" maxLength={100} value={name} disabled={busy} onChange={setName} />
          <Permissions own={own} chosen={chosen} onChange={setChosen} disabled={busy} />
          <ReachField name="key-reach" known={known} mayAll={mayAll} value={workspaces} onChange={setWorkspaces} disabled={busy} />
          {limits.kpis && (
            <CodeField label="Only these KPIs (optional): a name, or its beginning and *" name="kpis" maxLength={129} value={kpis} disabled={busy} onChange={setKpis} />
          )}
          {limits.mix && (
            <CodeField label="Only this mix (optional)" name="mix" maxLength={63} value={mix} disabled={busy} onChange={setMix} />
          )}
          <DaysField label="It works for" options={DAYS} value={days} onChange={setDays} disabled={busy} />
        </>
      )}
    </DialogForm>
  );
}

interface PermissionsProps {
  /** Those that may be given. */
  own: readonly Permission[];
  chosen: readonly Permission[];
  onChange(chosen: readonly Permission[]): void;
  disabled: boolean;
}

function Permissions({ own, chosen, onChange, disabled }: PermissionsProps) {
  const purposes = KEY_PURPOSES.filter(({ permissions }) => permissions.every((each) => own.includes(each)));
  const isChosen = (permissions: readonly Permission[]) =>
    permissions.length === chosen.length && permissions.every((each) => chosen.includes(each));
  const [several, setSeveral] = useState(purposes.length === 0);
  return (
    <fieldset disabled={disabled}>
      <legend>What it may do</legend>
      {purposes.map(({ name, permissions }) => (
        <label key={name} className="option">
          <input
            type="radio"
            name="purpose"
            checked={!several && isChosen(permissions)}
            onChange={() => {
              setSeveral(false);
              onChange(permissions);
            }}
          />
          <span>{name}</span>
        </label>
      ))}
      <label className="option">
        <input type="radio" name="purpose" checked={several} onChange={() => setSeveral(true)} />
        <span>Other or several</span>
      </label>
      {several && (
        <div className="nested">
          {own.map((permission) => (
            <label key={permission} className="option">
              <input
                type="checkbox"
                checked={chosen.includes(permission)}
                onChange={({ currentTarget }) =>
                  onChange(currentTarget.checked ? sortPermissions([...chosen, permission]) : chosen.filter((each) => each !== permission))
                }
              />
              <span>{PERMISSION_WORDS[permission]}</span>
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}
