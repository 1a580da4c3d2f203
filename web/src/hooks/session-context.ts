/** The session of the page, and what it may do. */

import { createContext, useContext, useMemo } from "react";
import { isLocal, type Permission, permissionsFor, permissionsIn, type Session } from "../live/session.ts";
import type { Gate } from "../live/session-gate.ts";
import type { SessionStore } from "../live/session-store.ts";
import { useAppContext } from "./app-context.ts";
import { useSignal } from "./use-signal.ts";

export const SessionContext = createContext<SessionStore | null>(null);

/** The component is rendered again after each change of the session. */
export function useSessionStore(): SessionStore {
  const store = useContext(SessionContext);
  if (store === null) {
    throw new Error("a component was rendered outside of the session");
  }
  useSignal(store.changed);
  return store;
}

/** Nothing is permitted to it. */
const NOBODY: Session = { kind: "user", organisations: [] };

/** The session of a gate: after its end, the one that has ended, whose page is still there. */
export function sessionOf(gate: Gate): Session {
  switch (gate.phase) {
    case "open":
      return gate.session;
    case "closed":
      return gate.before ?? NOBODY;
    case "asking":
      return NOBODY;
  }
}

export function useSession(): Session {
  return sessionOf(useSessionStore().gate);
}

/** What the session may do in the workspace that is shown. */
export function usePermissions(): ReadonlySet<Permission> {
  const session = useSession();
  const { workspace } = useAppContext().store.api;
  return useMemo(() => permissionsIn(session, workspace), [session, workspace]);
}

/** What the session may do in all of an organisation. */
export function useOrganisationPermissions(organisation: string): ReadonlySet<Permission> {
  const session = useSession();
  return useMemo(() => permissionsFor(session, organisation), [session, organisation]);
}

/** Whether the server has accounts, so that people and their keys have rights. */
export function useAccounts(): boolean {
  return !isLocal(useSession());
}
