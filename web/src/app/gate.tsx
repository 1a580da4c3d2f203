/** What the page shows: the dashboard, the sign-in, a claimed link, or that no server answers. */

import { useEffect } from "react";
import { ClaimPage } from "../features/session/claim-page.tsx";
import { SignInAgain, SignInPage } from "../features/session/sign-in-page.tsx";
import { SessionContext, useSessionStore } from "../hooks/session-context.ts";
import { useRoute } from "../hooks/use-route.ts";
import type { Session } from "../live/session.ts";
import type { SessionStore } from "../live/session-store.ts";
import { Dashboard } from "./dashboard.tsx";

export function App({ session }: { session: SessionStore }) {
  useEffect(() => void session.look(), [session]);
  return (
    <SessionContext value={session}>
      <Gate />
    </SessionContext>
  );
}

function Gate() {
  const { gate } = useSessionStore();
  const route = useRoute();
  if (gate.phase === "asking") {
    return <NoAnswer problem={gate.problem} />;
  }
  if (route.page === "claim" && !(gate.phase === "open" && gate.session.kind === "local")) {
    return <ClaimPage secret={route.secret} />;
  }
  const session = gate.phase === "open" ? gate.session : gate.before;
  if (session === null) {
    // After a sign-out nothing of the page stays.
    return <SignInPage unclaimed={gate.phase === "closed" && gate.unclaimed} />;
  }
  return (
    <>
      <Dashboard key={keyOf(session)} active={gate.phase === "open"} />
      {/* After the end of a session its page waits, covered. */}
      {gate.phase === "closed" && <SignInAgain login={session.user?.login ?? ""} />}
    </>
  );
}

/** Another user gets a new page, and nothing of the one before. */
function keyOf({ kind, user }: Session): string {
  return `${kind} ${user?.id ?? ""}`;
}

function NoAnswer({ problem }: { problem: string | null }) {
  if (problem === null) {
    return (
      <section className="empty" aria-busy="true">
        <p>Connecting…</p>
      </section>
    );
  }
  return (
    <section className="empty" role="alert">
      <h1>The server does not answer</h1>
      <p>
        {problem}. The server at {location.host} may be down, or a proxy or firewall may block the connection. This page
        retries automatically.
      </p>
    </section>
  );
}
