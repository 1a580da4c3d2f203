/** Login and password, and a code if the server asks for one. */

import { useEffect, useRef, useState } from "react";
import { ApiError } from "@earcon/client";
import { PasswordField, TextField } from "../../components/fields.tsx";
import { signInProblem } from "../../format/sign-in.ts";
import { useSessionStore } from "../../hooks/session-context.ts";

/** @param login filled in at first */
export function SignInForm({ login: known = "" }: { login?: string }) {
  const store = useSessionStore();
  const [login, setLogin] = useState(known);
  const [password, setPassword] = useState("");
  /** null: no code was asked for. */
  const [code, setCode] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const asked = code !== null;
  useEffect(() => {
    if (asked) {
      form.current?.querySelector<HTMLInputElement>("input[name=code]")?.focus();
    }
  }, [asked]);

  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await store.signIn({ login: login.trim(), password, ...(code === null ? {} : { code: code.replaceAll(" ", "") }) });
    } catch (error) {
      if (error instanceof ApiError && error.problem["code_required"] === true && code === null) {
        setCode("");
      } else {
        setProblem(signInProblem(error, asked));
      }
      setBusy(false);
    }
  };

  return (
    <form
      ref={form}
      className="account-form"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {/* Password managers fill both in, so both stay in the form. */}
      <div className="account-form" hidden={asked}>
        <TextField
          label="Login"
          name="username"
          autoComplete="username"
          plain
          autoFocus={known === ""}
          value={login}
          disabled={busy}
          onChange={setLogin}
        />
        <PasswordField
          label="Password"
          name="password"
          autoComplete="current-password"
          autoFocus={known !== ""}
          value={password}
          disabled={busy}
          onChange={setPassword}
        />
      </div>
      {code !== null && (
        <TextField
          label="Code"
          name="code"
          autoComplete="one-time-code"
          plain
          hint="The six digits of your authenticator app, or one of your recovery codes."
          value={code}
          disabled={busy}
          onChange={setCode}
        />
      )}
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        {code !== null && (
          <button type="button" disabled={busy} onClick={() => (setCode(null), setProblem(null))}>
            Back
          </button>
        )}
        <button type="submit" className="primary" disabled={busy || login.trim() === "" || password === "" || code === ""}>
          {busy ? "Signing in …" : "Sign in"}
        </button>
      </div>
    </form>
  );
}
