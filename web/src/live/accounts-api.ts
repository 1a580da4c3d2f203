/** Requests about an organisation: members, invitations, keys, sessions, audit log. */

import { ask, type Fetch } from "@earcon/client";
import type { Permission, Role } from "./session.ts";

/** A moment: RFC 3339, or milliseconds since the Unix epoch. */
export type Moment = string | number;

/** A role with its workspaces. null: all of the organisation. */
export interface Grant {
  role: Role;
  workspaces: string[] | null;
}

export interface Person {
  id: string;
  login: string;
  name: string;
}

export interface Member {
  user: Person & { email?: string | null; disabled: boolean };
  grants: Grant[];
}

export interface Invitation extends Grant {
  id: string;
  created_at: Moment;
  expires_at: Moment;
  /** The name of the one who made it. */
  by: string;
}

/** A new invitation. Its link is shown once. */
export interface NewInvitation {
  id: string;
  secret: string;
  link: string;
}

export interface KeyScope {
  permissions: Permission[];
  /** null: all of the organisation. */
  workspaces: string[] | null;
  /** A name of a KPI, or the beginning of one and `*`. null: all. */
  kpis: string | null;
  /** The only mix that it may hear. null: all. */
  mix: string | null;
}

export interface ApiKey extends KeyScope {
  id: string;
  prefix: string;
  name: string;
  owner: { kind: "user" | "service"; id: string; name: string };
  created_at: Moment;
  expires_at: Moment | null;
  last_used_at: Moment | null;
  revoked_at: Moment | null;
  previous_until: Moment | null;
}

/** A key with its secret, which the server shows once. */
export interface NewApiKey extends ApiKey {
  key: string;
}

export interface SignIn {
  id: string;
  /** null: the user was removed. */
  user: Person | null;
  created_at: Moment;
  last_used_at: Moment;
  expires_at: Moment;
  address: string;
  agent: string;
  /** Whether it is that of this browser. */
  current: boolean;
}

export interface AuditRecord {
  seq: number;
  at: Moment;
  who: string;
  what: string;
  target: string;
  detail: string | null;
  /** The address of the request. null: there was none. */
  from: string | null;
  outcome: string;
  version: string;
  hash: string;
}

export interface AuditQuery {
  /** Milliseconds since the Unix epoch. */
  from?: number;
  to?: number;
  who?: string;
  what?: string;
  /** The `next` of the page before. */
  after?: number;
}

export interface AuditPage {
  records: AuditRecord[];
  /** null on the last page. */
  next: number | null;
}

/** Records of one page. */
const AUDIT_LIMIT = 100;

export class AccountsApi {
  readonly #fetch: Fetch;
  readonly #base: string;

  constructor(fetch: Fetch, organisation: string) {
    this.#fetch = fetch;
    this.#base = `/api/v1/organisations/${encodeURIComponent(organisation)}`;
  }

  async rename(name: string): Promise<void> {
    await this.#send("PUT", "", { name });
  }

  async members(signal?: AbortSignal): Promise<Member[]> {
    return (await this.#get<{ members: Member[] }>("/members", signal)).members;
  }

  /** Gives a member another role. Those from rules for groups stay. */
  async changeMember(user: string, grant: Grant): Promise<void> {
    await this.#send("PUT", `/members/${encodeURIComponent(user)}`, { grants: [grant] });
  }

  async removeMember(user: string): Promise<void> {
    await this.#send("DELETE", `/members/${encodeURIComponent(user)}`);
  }

  async invitations(signal?: AbortSignal): Promise<Invitation[]> {
    return (await this.#get<{ invitations: Invitation[] }>("/invitations", signal)).invitations;
  }

  invite(grant: Grant, days: number): Promise<NewInvitation> {
    return this.#send("POST", "/invitations", { ...grant, days });
  }

  async withdraw(invitation: string): Promise<void> {
    await this.#send("DELETE", `/invitations/${encodeURIComponent(invitation)}`);
  }

  async keys(signal?: AbortSignal): Promise<ApiKey[]> {
    return (await this.#get<{ keys: ApiKey[] }>("/keys", signal)).keys;
  }

  /** @param days until it expires. null: never */
  createKey(name: string, scope: KeyScope, days: number | null): Promise<NewApiKey> {
    const { permissions, workspaces, kpis, mix } = scope;
    const limits = { ...(kpis === null ? {} : { kpis }), ...(mix === null ? {} : { mix }) };
    return this.#send("POST", "/keys", { name, permissions, workspaces, ...limits, ...(days === null ? {} : { days }) });
  }

  rotateKey(key: string, overlapHours: number): Promise<NewApiKey> {
    return this.#send("POST", `/keys/${encodeURIComponent(key)}/rotate`, { overlap_hours: overlapHours });
  }

  async revokeKey(key: string): Promise<void> {
    await this.#send("DELETE", `/keys/${encodeURIComponent(key)}`);
  }

  async sessions(signal?: AbortSignal): Promise<SignIn[]> {
    return (await this.#get<{ sessions: SignIn[] }>("/sessions", signal)).sessions;
  }

  async endSession(session: string): Promise<void> {
    await this.#send("DELETE", `/sessions/${encodeURIComponent(session)}`);
  }

  audit(query: AuditQuery, signal?: AbortSignal): Promise<AuditPage> {
    const parameters = new URLSearchParams({ limit: String(AUDIT_LIMIT) });
    Object.entries(query).forEach(([name, value]) => value !== undefined && value !== "" && parameters.set(name, String(value)));
    return this.#get(`/audit?${parameters.toString()}`, signal);
  }

  #get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
    return ask<Answer>(this.#fetch, this.#base + path, signal === undefined ? {} : { signal });
  }

  #send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const json = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return ask<Answer>(this.#fetch, this.#base + path, { method, ...json });
  }
}
