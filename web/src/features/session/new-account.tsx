/** Login, name and password of a new user. */

import { type ReactNode, useState } from "react";
import { NewPassword, NO_PASSWORD } from "../../components/new-password.tsx";
import { TextField } from "../../components/fields.tsx";
import { passwordProblem } from "../../format/accounts.ts";
import { claimProblem } from "../../format/claim.ts";
import type { NewUser } from "../../live/session-gate.ts";

interface Props {
  /** The text of the button. */
  action: string;
  /** The same while it runs. */
  running: string;
  claim(user: NewUser): Promise<void>;
  /** Further fields. */
  children?: (busy: boolean) => ReactNode;
}

export function NewAccount({ action, running, claim, children }: Props) {
  const [login, setLogin] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState(NO_PASSWORD);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const complete = login.trim() !== "" && name.trim() !== "" && passwordProblem(password.first, password.again) === null;

  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await claim({ login: login.trim(), name: name.trim(), password: password.first });
    } catch (error) {
      setProblem(claimProblem(error));
      setBusy(false);
    }
  };

  return (
    <form
      className="account-form"
      aria-label="New account"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <TextField
        label="Login"
        name="username"
        autoComplete="username"
        plain
        autoFocus
        maxLength={64}
        hint="You sign in with it. For example anna."
        value={login}
        disabled={busy}
        onChange={setLogin}
      />
      <TextField
        label="Name"
        name="name"
        autoComplete="name"
        maxLength={100}
        hint="Others see it, for example at what you acknowledge."
        value={name}
        disabled={busy}
        onChange={setName}
      />
      <NewPassword value={password} onChange={setPassword} disabled={busy} />
      {children?.(busy)}
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        <button type="submit" className="primary" disabled={busy || !complete}>
          {busy ? running : action}
        </button>
      </div>
    </form>
  );
}
