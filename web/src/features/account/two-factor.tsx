/** The second factor of the own account: codes of an authenticator app. */

import { useState } from "react";
import { ApiError } from "@earcon/client";
import { words } from "../../components/dialog-form.tsx";
import { PasswordField, TextField } from "../../components/fields.tsx";
import { QrCode } from "../../components/qr-code.tsx";
import { SecretOnce } from "../../components/secret-once.tsx";
import { inGroups } from "../../format/accounts.ts";
import { useSession, useSessionStore } from "../../hooks/session-context.ts";
import { SESSION } from "../../live/session-store.ts";
import { currentProblem } from "./change-password.tsx";

const TOTP = `${SESSION}/totp`;

interface Secret {
  otpauth: string;
  secret: string;
}

export function TwoFactor() {
  const { user } = useSession();
  const store = useSessionStore();
  const [secret, setSecret] = useState<Secret | null>(null);
  const [recovery, setRecovery] = useState<string[] | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  if (recovery !== null) {
    return (
      <>
        <p role="status">Two-factor sign-in is on. From now on, each sign-in asks for a code.</p>
        <SecretOnce what="recovery codes" secret={recovery.join("\n")}>
          <p>Each code works once, in place of one of the app, for example when the phone is lost.</p>
          <div className="actions">
            <button type="button" className="primary" onClick={() => setRecovery(null)}>
              I have kept them
            </button>
          </div>
        </SecretOnce>
      </>
    );
  }
  if (secret !== null) {
    const confirmed = (codes: string[]) => {
      setSecret(null);
      setRecovery(codes);
      void store.look();
    };
    return <Confirm secret={secret} confirmed={confirmed} cancel={() => setSecret(null)} />;
  }
  const begin = () => {
    setSaid(null);
    setProblem(null);
    store.sendSecret<Secret>("POST", TOTP, {}).then(setSecret, (error: unknown) => setProblem(words(error)));
  };
  const on = user?.two_factor === true;
  return (
    <>
      <p>
        With two-factor sign-in, a password alone opens nothing: each sign-in also asks for a code that an app on your phone
        shows.{on && " It is on."}
      </p>
      {said !== null && <p role="status">{said}</p>}
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      {!on && (
        <div className="actions">
          <button type="button" className="primary" onClick={begin}>
            Set it up
          </button>
        </div>
      )}
      {on && (
        <SwitchOff
          done={() => {
            setSaid("Two-factor sign-in is off.");
            void store.look();
          }}
        />
      )}
    </>
  );
}

interface ConfirmProps {
  secret: Secret;
  confirmed(recoveryCodes: string[]): void;
  cancel(): void;
}

function Confirm({ secret, confirmed, cancel }: ConfirmProps) {
  const store = useSessionStore();
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const body = { secret: secret.secret, code: code.replaceAll(" ", ""), password };
      confirmed((await store.sendSecret<{ recovery_codes: string[] }>("PUT", TOTP, body)).recovery_codes);
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 400;
      setProblem(wrong ? "The code is wrong. Wait for the next one, and look whether the clock of the phone is right." : currentProblem(error));
      setBusy(false);
    }
  };
  return (
    <form
      className="account-form"
      aria-label="Set up two-factor sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>1. Scan this code with an authenticator app:</p>
      <QrCode text={secret.otpauth} label="The secret for the app, as a QR code" />
      <p>Or enter the secret there, as a time-based code of six digits:</p>
      <pre tabIndex={0} aria-label="Secret for the app" data-testid="totp-secret">
        {inGroups(secret.secret)}
      </pre>
      <p>
        On the phone itself, <a href={secret.otpauth}>this link opens the app</a>.
      </p>
      <TextField
        label="2. Enter the code that the app shows"
        name="code"
        autoComplete="one-time-code"
        inputMode="numeric"
        plain
        autoFocus
        maxLength={10}
        value={code}
        disabled={busy}
        onChange={setCode}
      />
      <PasswordField
        label="3. Enter your password"
        name="password"
        autoComplete="current-password"
        value={password}
        disabled={busy}
        onChange={setPassword}
      />
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        <button type="button" disabled={busy} onClick={cancel}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy || code.trim() === "" || password === ""}>
          Switch it on
        </button>
      </div>
    </form>
  );
}

function SwitchOff({ done }: { done(): void }) {
  const store = useSessionStore();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await store.sendSecret("DELETE", TOTP, { password, code: code.replaceAll(" ", "") });
      done();
    } catch (error) {
      const wrong = error instanceof ApiError && (error.status === 401 || error.status === 400);
      setProblem(wrong ? "The password or the code is wrong." : words(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="account-form"
      aria-label="Switch two-factor sign-in off"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <PasswordField
        label="Password"
        name="password"
        autoComplete="current-password"
        value={password}
        disabled={busy}
        onChange={setPassword}
      />
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
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        <button type="submit" className="danger" disabled={busy || password === "" || code.trim() === ""}>
          Switch it off
        </button>
      </div>
    </form>
  );
}
