/** Another password for the own account. */

import { useState } from "react";
import { ApiError } from "@earcon/client";
import { words } from "../../components/dialog-form.tsx";
import { PasswordField } from "../../components/fields.tsx";
import { NewPassword, NO_PASSWORD } from "../../components/new-password.tsx";
import { passwordProblem } from "../../format/accounts.ts";
import { useSessionStore } from "../../hooks/session-context.ts";
import { SESSION } from "../../live/session-store.ts";

export function ChangePassword({ login }: { login: string }) {
  const store = useSessionStore();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState(NO_PASSWORD);
  const [outcome, setOutcome] = useState<{ done: boolean; words: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const ready = current !== "" && passwordProblem(password.first, password.again) === null;

  const submit = async () => {
    setBusy(true);
    setOutcome(null);
    try {
      await store.sendSecret("PUT", `${SESSION}/password`, { current, new: password.first });
      setCurrent("");
      setPassword(NO_PASSWORD);
      setOutcome({ done: true, words: "The password is changed. Your other sessions have ended." });
    } catch (error) {
      setOutcome({ done: false, words: currentProblem(error) });
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      className="account-form"
      aria-label="Change the password"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>Changing it ends your sessions in other browsers.</p>
      {/* Password managers look here for whose password it is. */}
      <input type="text" name="username" autoComplete="username" value={login} readOnly hidden />
      <PasswordField
        label="Present password"
        name="current-password"
        autoComplete="current-password"
        value={current}
        disabled={busy}
        onChange={setCurrent}
      />
      <NewPassword value={password} onChange={setPassword} disabled={busy} />
      {outcome !== null && (
        <p className="notice" role={outcome.done ? "status" : "alert"}>
          {outcome.words}
        </p>
      )}
      <div className="actions">
        <button type="submit" className="primary" disabled={busy || !ready}>
          {busy ? "Changing …" : "Change the password"}
        </button>
      </div>
    </form>
  );
}

/** Why the server refused a request with the present password. */
export function currentProblem(error: unknown): string {
  if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
    return "The present password is wrong.";
  }
  return words(error);
}
