/** Roles, permissions, keys, sessions and audit records in words. */

import { PERMISSIONS, type Permission, type Role, ROLES, shortName } from "../live/session.ts";
import { counted } from "./count.ts";
import { duration, longDate } from "./time.ts";

const ROLE_WORDS: Record<Role, string> = {
  listener: "hears the sound, and nothing else",
  viewer: "sees and hears everything",
  operator: "also acknowledges, mutes and gives feedback",
  editor: "also sends samples, imports files and changes settings",
  admin: "also manages workspaces, members and keys, deletes data, and reads the audit log",
  owner: "also manages the organisation and its owners",
};

/** What a role permits: `An editor also sends samples …`. */
export function roleSentence(role: Role): string {
  return `${/^[aeo]/.test(role) ? "An" : "A"} ${role} ${ROLE_WORDS[role]}.`;
}

/** The roles that a member may hand out: none above the own one. */
export function grantable(own: Role | null): Role[] {
  return own === null ? [] : ROLES.slice(0, ROLES.indexOf(own) + 1);
}

export const PERMISSION_WORDS: Record<Permission, string> = {
  read: "read KPIs, anomalies and settings",
  listen: "hear mixes",
  acknowledge: "acknowledge anomalies",
  mute: "mute series",
  feedback: "give feedback on anomalies",
  ingest: "send samples",
  upload: "import files",
  "edit-mixes": "change mixes",
  "edit-rules": "change rules for samples",
  "edit-kpis": "change units and descriptions",
  "edit-detectors": "change detectors",
  "delete-data": "delete KPIs and samples",
  "manage-workspaces": "make and delete workspaces",
  "manage-members": "manage members",
  "manage-keys": "manage keys of others",
  "read-audit": "read the audit log",
  "manage-organisation": "manage the organisation",
  "read-server": "read metrics and nodes",
  "manage-server": "manage organisations and users",
};

/** What keys are mostly for, and the permissions that suffice. */
export const KEY_PURPOSES: readonly { name: string; permissions: readonly Permission[] }[] = [
  { name: "Send samples", permissions: ["ingest"] },
  { name: "Read", permissions: ["read"] },
  { name: "Listen", permissions: ["listen"] },
];

/** Permissions that a limit to one mix concerns, and those of a limit to some KPIs. */
const OF_A_MIX: readonly Permission[] = ["listen"];
const OF_KPIS: readonly Permission[] = ["ingest", "upload", "read"];

/** Which limits a key with these permissions can have. The server refuses the others. */
export function limitsOf(permissions: readonly Permission[]): { kpis: boolean; mix: boolean } {
  const within = (limited: readonly Permission[]) =>
    permissions.length > 0 && permissions.every((permission) => limited.includes(permission));
  return { kpis: within(OF_KPIS), mix: within(OF_A_MIX) };
}

/** In the order of the server. */
export function sortPermissions(permissions: Iterable<Permission>): Permission[] {
  const given = new Set(permissions);
  return PERMISSIONS.filter((permission) => given.has(permission));
}

/** Which workspaces a grant or a key concerns. null: all of the organisation. */
export function reachWords(workspaces: readonly string[] | null): string {
  if (workspaces === null) {
    return "all workspaces";
  }
  const names = workspaces.map(shortName);
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${counted(names.length - 2, "other", "others")}`;
}

/** A time of the server, RFC 3339 or milliseconds since the Unix epoch, in milliseconds. */
export function instant(time: string | number): number {
  return typeof time === "number" ? time : Date.parse(time);
}

/** When something ends or has ended. null: `null`, for example a key without an end. */
export function endWords(end: string | number | null, now: number): string {
  if (end === null) {
    return "no end";
  }
  const at = instant(end);
  return at <= now ? `ended ${longDate(at)}` : `until ${longDate(at)}`;
}

interface KeyTimes {
  expires_at: string | number | null;
  revoked_at: string | number | null;
  previous_until: string | number | null;
}

/** Whether the server accepts a key, and until when. */
export function keyState(key: KeyTimes, now: number): { valid: boolean; words: string } {
  if (key.revoked_at !== null) {
    return { valid: false, words: `revoked ${longDate(instant(key.revoked_at))}` };
  }
  const valid = key.expires_at === null || instant(key.expires_at) > now;
  const previous = key.previous_until !== null && instant(key.previous_until) > now;
  const overlap = previous ? `; the secret before it works for ${duration(roundUp(instant(key.previous_until ?? 0) - now))}` : "";
  return { valid, words: `${valid ? "valid" : "expired"}, ${endWords(key.expires_at, now)}${valid ? overlap : ""}` };
}

/** To the minute, so that the text does not change every second. */
function roundUp(ms: number): number {
  return Math.ceil(ms / 60_000) * 60_000;
}

/** The browser and the system of a sign-in, from the text that browsers send. */
export function agentWords(agent: string): string {
  const browser = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => agent.includes(mark ?? ""));
  const system = [
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Windows", "Windows"],
    ["Mac OS", "macOS"],
    ["Linux", "Linux"],
  ].find(([mark]) => agent.includes(mark ?? ""));
  if (browser === undefined) {
    return agent === "" ? "unknown program" : agent;
  }
  return system === undefined ? `${browser[1]}` : `${browser[1]} on ${system[1]}`;
}

/** Fewest characters of a password. The server has further rules, and says them. */
export const FEWEST_CHARACTERS = 12;

/** What is missing of a new password. null: nothing that the page can see. */
export function passwordProblem(password: string, again: string): string | null {
  // As the server counts: characters of the composed form.
  const count = [...password.normalize("NFKC")].length;
  if (count < FEWEST_CHARACTERS) {
    return `The password has ${counted(count, "character", "characters")}. It needs at least ${FEWEST_CHARACTERS}.`;
  }
  return password === again ? null : "The two passwords differ.";
}

/** A long text in groups of four characters, as people type it. */
export function inGroups(text: string): string {
  return text.replaceAll(/(.{4})(?=.)/g, "$1 ");
}
