/**
 * The user of the page, and their rights in each workspace. Pure. The server checks every request
 * again; the page only hides what would be refused.
 */

/** One thing that a person or a key may do. The names are those of the server. */
export const PERMISSIONS = [
  "read",
  "listen",
  "acknowledge",
  "mute",
  "feedback",
  "ingest",
  "upload",
  "edit-mixes",
  "edit-rules",
  "edit-kpis",
  "edit-detectors",
  "delete-data",
  "manage-workspaces",
  "manage-members",
  "manage-keys",
  "read-audit",
  "manage-organisation",
  "read-server",
  "manage-server",
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** From the least rights to the most. */
export const ROLES = ["listener", "viewer", "operator", "editor", "admin", "owner"] as const;

export type Role = (typeof ROLES)[number];

export interface User {
  id: string;
  login: string;
  name: string;
  email?: string | null;
  /** Whether a code is asked for at each sign-in. */
  two_factor: boolean;
}

/** What the user is in an organisation. One organisation may have several, for its workspaces. */
export interface Membership {
  id: string;
  name: string;
  role: Role | null;
  permissions: Permission[];
  /** null: all workspaces of the organisation. */
  workspaces: string[] | null;
}

/** The server's answer about the session. `local`: this machine, without accounts. */
export interface Session {
  kind: "local" | "user" | "key";
  user?: User | null;
  /** The value of the header that changes need. */
  csrf?: string | null;
  /** When the page must have asked for a new access, RFC 3339. null: never. */
  expires_at?: string | null;
  organisations?: Membership[];
}

/** An organisation of the user. */
export interface Organisation {
  id: string;
  name: string;
}

/** The organisation that always exists. Its name is left out of those of its workspaces. */
export const DEFAULT_ORGANISATION = "default";

/** The organisation that owns a workspace: `acme` of `acme.shop`, `default` of `shop`. */
export function organisationOf(workspace: string): string {
  const dot = workspace.indexOf(".");
  return dot < 0 ? DEFAULT_ORGANISATION : workspace.slice(0, dot);
}

/** The name of a workspace within its organisation: `shop` of `acme.shop`. */
export function shortName(workspace: string): string {
  return workspace.slice(workspace.indexOf(".") + 1);
}

/** The full name of a workspace: `acme.shop`, or `shop` in the organisation `default`. */
export function workspaceOf(organisation: string, name: string): string {
  return organisation === DEFAULT_ORGANISATION ? name : `${organisation}.${name}`;
}

/** Whether the page is used without accounts, so that there is no sign-in. */
export function isLocal(session: Session): boolean {
  return session.kind === "local";
}

/** What the session may do in a workspace. */
export function permissionsIn(session: Session, workspace: string): ReadonlySet<Permission> {
  const organisation = organisationOf(workspace);
  return permissionsOf(
    session,
    ({ id, workspaces }) => id === organisation && (workspaces === null || workspaces.includes(workspace)),
  );
}

/** What the session may do in all of an organisation: a right for some workspaces is none here. */
export function permissionsFor(session: Session, organisation: string): ReadonlySet<Permission> {
  return permissionsOf(session, ({ id, workspaces }) => id === organisation && workspaces === null);
}

/** What the session may do in some workspace of an organisation. */
export function permissionsAnywhere(session: Session, organisation: string): ReadonlySet<Permission> {
  return permissionsOf(session, ({ id }) => id === organisation);
}

/** What the session may do in the installation: rights of the organisation `default`. */
export function serverPermissions(session: Session): ReadonlySet<Permission> {
  return permissionsFor(session, DEFAULT_ORGANISATION);
}

function permissionsOf(session: Session, concerns: (membership: Membership) => boolean): ReadonlySet<Permission> {
  if (isLocal(session)) {
    return new Set(PERMISSIONS);
  }
  return new Set((session.organisations ?? []).filter(concerns).flatMap(({ permissions }) => permissions));
}

/** The organisations of the user, each once, by name. */
export function organisationsOf(session: Session): Organisation[] {
  const names = new Map((session.organisations ?? []).map(({ id, name }) => [id, name]));
  return [...names].map(([id, name]) => ({ id, name })).sort((a, b) => a.name.localeCompare(b.name));
}

/** The organisations in which the user may make workspaces. */
export function creatableIn(session: Session): Organisation[] {
  return organisationsOf(session).filter(({ id }) => permissionsFor(session, id).has("manage-workspaces"));
}

/** The highest role of the user in an organisation. null: none of the known ones. */
export function roleIn(session: Session, organisation: string): Role | null {
  const held = (session.organisations ?? []).filter(({ id }) => id === organisation).map(({ role }) => role);
  return [...ROLES].reverse().find((role) => held.includes(role)) ?? null;
}

/** Workspaces below the name of their organisation, `default` first. */
export interface WorkspaceGroup {
  organisation: Organisation;
  workspaces: string[];
}

/** Groups workspaces by organisation. One that the session does not name is known by its id. */
export function groupWorkspaces(workspaces: readonly string[], session: Session): WorkspaceGroup[] {
  const names = new Map(organisationsOf(session).map(({ id, name }) => [id, name]));
  const groups = new Map<string, string[]>();
  for (const workspace of [...workspaces].sort()) {
    const id = organisationOf(workspace);
    groups.set(id, [...(groups.get(id) ?? []), workspace]);
  }
  const rank = (id: string) => (id === DEFAULT_ORGANISATION ? "" : id);
  return [...groups]
    .sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
    .map(([id, grouped]) => ({ organisation: { id, name: names.get(id) ?? id }, workspaces: grouped }));
}

/** A new access is asked for so long before the end of the present one, milliseconds. */
const AHEAD_MS = 45_000;
/** Whatever the clocks say, the page does not ask more often than this, milliseconds. */
const SELDOM_MS = 15_000;
/** Longest wait of a browser's timer, milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * How long to wait before a new access is asked for, milliseconds. null: it never ends.
 *
 * @param now by the server's clock
 */
export function refreshDelay({ expires_at }: Session, now: number): number | null {
  const end = Date.parse(expires_at ?? "");
  return Number.isNaN(end) ? null : Math.min(LONGEST_MS, Math.max(SELDOM_MS, end - now - AHEAD_MS));
}

/** Whether the access lasts long enough that no new one is needed yet. */
export function isFresh({ expires_at }: Session, now: number): boolean {
  const end = Date.parse(expires_at ?? "");
  return Number.isNaN(end) || end - now > AHEAD_MS;
}
