/** Which workspace is shown if the address names none. */

import { DEFAULT_ORGANISATION, isLocal, organisationsOf, type Session, workspaceOf } from "../live/session.ts";

/** The name of the workspace that a new server has. */
const FIRST = "local";

/**
 * The workspace used last or the default one, if the server has it; otherwise the first one. If
 * there is none, the name of one that could be made.
 *
 * @param names of all workspaces of the session
 */
export function firstWorkspace(names: readonly string[], last: string, session: Session): string {
  const organisations = organisationsOf(session).map(({ id }) => id);
  const known = [last, FIRST].find((name) => names.includes(name)) ?? [...names].sort()[0];
  if (known !== undefined) {
    return known;
  }
  const own = organisations[0];
  if (own === undefined || isLocal(session)) {
    return last;
  }
  return workspaceOf(organisations.includes(DEFAULT_ORGANISATION) ? DEFAULT_ORGANISATION : own, FIRST);
}
