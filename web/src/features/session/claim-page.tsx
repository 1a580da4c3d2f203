/** Where the link for the first owner leads, and that of an invitation. */

import { useEffect, useState } from "react";
import { useSessionStore } from "../../hooks/session-context.ts";
import { replaceRoute } from "../../hooks/use-route.ts";
import type { NewUser } from "../../live/session-gate.ts";
import { claimKind, claimProblem } from "../../format/claim.ts";
import { FirstOwner } from "./first-owner.tsx";
import { SessionFrame } from "./frame.tsx";
import { NewAccount } from "./new-account.tsx";
import { SignInForm } from "./sign-in-form.tsx";

/** Leaves the page. Its address has a secret in it, so it goes from the history too. */
export function leaveClaim(workspace?: string): void {
  replaceRoute({ page: "grid", ...(workspace === undefined ? {} : { workspace }) });
}

export function ClaimPage({ secret }: { secret: string }) {
  const kind = claimKind(secret);
  useEffect(() => {
    document.title = "Earcon: link";
  }, []);
  switch (kind) {
    case "owner":
      return <FirstOwner secret={secret} done={leaveClaim} />;
    case "invitation":
      return <Invited secret={secret} />;
    case null:
      return (
        <SessionFrame title="This is no link of Earcon">
          <p>
            The address ends in something that is neither an invitation (<code>ei_…</code>) nor a link for the first owner (
            <code>eo_…</code>). Look whether all of it was copied.
          </p>
          <p>
            <a href="#/">Go to the dashboard</a>
          </p>
        </SessionFrame>
      );
  }
}

function Invited({ secret }: { secret: string }) {
  const store = useSessionStore();
  const { gate } = store;
  const [account, setAccount] = useState<"new" | "present">("new");
  const claim = async (user: NewUser | null) => {
    await store.claim(secret, user);
    leaveClaim();
  };
  if (gate.phase === "open" && gate.session.kind === "user") {
    return <Join name={gate.session.user?.name ?? ""} join={() => claim(null)} />;
  }
  return (
    <SessionFrame title="You are invited">
      {account === "new" ? (
        <>
          <p>Make an account for this server. You join the organisation with it.</p>
          <NewAccount action="Make the account" running="Making it …" claim={claim} />
          <p className="small">
            <button type="button" className="quiet" onClick={() => setAccount("present")}>
              I have an account here
            </button>
          </p>
        </>
      ) : (
        <>
          <p>Sign in first. Then you join the organisation with the account that you have.</p>
          <SignInForm />
          <p className="small">
            <button type="button" className="quiet" onClick={() => setAccount("new")}>
              I have no account
            </button>
          </p>
        </>
      )}
    </SessionFrame>
  );
}

/** For a user with a session. */
function Join({ name, join }: { name: string; join(): Promise<void> }) {
  const store = useSessionStore();
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const run = (action: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    action()
      .catch((error: unknown) => setProblem(claimProblem(error)))
      .finally(() => setBusy(false));
  };
  return (
    <SessionFrame title="You are invited">
      <p>
        You are signed in as <strong>{name}</strong>. The invitation adds an organisation to this account.
      </p>
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        <button type="button" disabled={busy} onClick={() => run(() => store.signOut())}>
          Use another account
        </button>
        <button type="button" className="primary" disabled={busy} onClick={() => run(join)}>
          Join as {name}
        </button>
      </div>
      <p className="small">
        <a href="#/">Not now</a>
      </p>
    </SessionFrame>
  );
}
