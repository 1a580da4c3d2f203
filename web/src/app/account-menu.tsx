/** The menu of the account: its name, the organisations, and the way out. */

import { useEffect, useId, useRef, useState } from "react";
import { words } from "../components/dialog-form.tsx";
import { useSession, useSessionStore } from "../hooks/session-context.ts";
import { useLink } from "../hooks/use-link.ts";
import { isLocal, organisationsOf } from "../live/session.ts";

export function AccountMenu() {
  const session = useSession();
  const [open, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) {
      return;
    }
    const outside = ({ target }: Event) => {
      if (target instanceof Node && place.current?.contains(target) !== true) {
        setOpen(false);
      }
    };
    addEventListener("pointerdown", outside);
    addEventListener("focusin", outside);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("focusin", outside);
    };
  }, [open]);
  const name = isLocal(session) ? "this machine" : (session.user?.name ?? "a key");
  return (
    <div
      ref={place}
      className="account-menu"
      onKeyDown={({ key }) => {
        if (key === "Escape" && open) {
          setOpen(false);
          button.current?.focus();
        }
      }}
    >
      <button
        ref={button}
        type="button"
        className="icon"
        aria-label={`Account: ${name}`}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        title={`Account: ${name}`}
        onClick={() => setOpen(!open)}
      >
        <Person />
      </button>
      {open && (
        <div id={id} className="menu" data-testid="account-menu">
          {isLocal(session) ? <p>This machine, without accounts</p> : <Account close={() => setOpen(false)} />}
        </div>
      )}
    </div>
  );
}

function Account({ close }: { close(): void }) {
  const session = useSession();
  const store = useSessionStore();
  const link = useLink();
  const [problem, setProblem] = useState<string | null>(null);
  const organisations = organisationsOf(session);
  return (
    <>
      <p className="who">
        <strong>{session.user?.name ?? "A key"}</strong>
        {session.user != null && <span className="muted"> {session.user.login}</span>}
      </p>
      {organisations.length > 0 && (
        <ul aria-label="Organisations" onClick={close}>
          {organisations.map(({ id, name }) => (
            <li key={id}>
              <a href={link({ page: "organisation", organisation: id, section: "members" })}>
                {name}
                <span className="muted small">members, keys, sessions</span>
              </a>
            </li>
          ))}
        </ul>
      )}
      <ul aria-label="Account" onClick={close}>
        <li>
          <a href={link({ page: "account", section: "sessions" })}>Sessions</a>
        </li>
        <li>
          <a href={link({ page: "account", section: "password" })}>Password</a>
        </li>
        <li>
          <a href={link({ page: "account", section: "two-factor" })}>Two-factor sign-in</a>
        </li>
      </ul>
      {problem !== null && <p role="alert">{problem}</p>}
      <button type="button" onClick={() => store.signOut().catch((error: unknown) => setProblem(words(error)))}>
        Sign out
      </button>
    </>
  );
}

function Person() {
  return (
    <svg viewBox="0 0 18 18" width="18" height="18" aria-hidden="true" className="person">
      <circle cx="9" cy="6" r="3.2" />
      <path d="M2.8 15.8c.6-3.2 3-4.8 6.2-4.8s5.6 1.6 6.2 4.8" />
    </svg>
  );
}
