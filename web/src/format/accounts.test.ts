import { ApiError } from "@earcon/client";
import { describe, expect, it } from "vitest";
import {
  agentWords,
  endWords,
  grantable,
  inGroups,
  instant,
  keyState,
  limitsOf,
  passwordProblem,
  reachWords,
  sortPermissions,
} from "./accounts.ts";
import { claimKind, claimProblem } from "./claim.ts";
import { fromLocal, toLocal } from "./local-time.ts";
import { signInProblem } from "./sign-in.ts";
import { firstWorkspace } from "./workspaces.ts";
import type { Session } from "../live/session.ts";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const KEY = { expires_at: null, revoked_at: null, previous_until: null };

describe("a key", () => {
  it("is valid until it expires or is revoked", () => {
    expect(keyState(KEY, NOW)).toEqual({ valid: true, words: "valid, no end" });
    expect(keyState({ ...KEY, expires_at: "2026-11-30T12:00:01Z" }, NOW).valid).toBe(true);
    expect(keyState({ ...KEY, expires_at: "2026-11-30T12:00:00Z" }, NOW).valid).toBe(false);
    const revoked = keyState({ ...KEY, revoked_at: NOW - 1 }, NOW);
    expect(revoked.valid).toBe(false);
    expect(revoked.words).toMatch(/^revoked /);
  });

  it("says how long the secret before it works", () => {
    const rotated = keyState({ ...KEY, previous_until: NOW + 2 * 3_600_000 - 500 }, NOW);
    expect(rotated.words).toBe("valid, no end; the secret before it works for 2 h");
    expect(keyState({ ...KEY, previous_until: NOW }, NOW).words).toBe("valid, no end");
  });

  it("has a limit only where all of its permissions have it", () => {
    expect(limitsOf(["ingest", "read"])).toEqual({ kpis: true, mix: false });
    expect(limitsOf(["listen"])).toEqual({ kpis: false, mix: true });
    expect(limitsOf(["ingest", "mute"])).toEqual({ kpis: false, mix: false });
    expect(limitsOf([])).toEqual({ kpis: false, mix: false });
    expect(sortPermissions(["mute", "read"])).toEqual(["read", "mute"]);
  });
});

describe("words of accounts", () => {
  it("offers no role above the own one", () => {
    expect(grantable("admin")).toEqual(["listener", "viewer", "operator", "editor", "admin"]);
    expect(grantable("listener")).toEqual(["listener"]);
    expect(grantable(null)).toEqual([]);
  });

  it("names few workspaces and counts many", () => {
    expect(reachWords(null)).toBe("all workspaces");
    expect(reachWords(["acme.shop", "acme.plant"])).toBe("shop, plant");
    expect(reachWords(["a.a", "a.b", "a.c", "a.d"])).toBe("a, b and 2 others");
  });

  it("names browser and system of a sign-in", () => {
    const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
    expect(agentWords(chrome)).toBe("Chrome on Linux");
    expect(agentWords(`${chrome} Edg/120.0`)).toBe("Edge on Linux");
    expect(agentWords("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1")).toBe("Safari on iPhone");
    expect(agentWords("curl/8.0")).toBe("curl/8.0");
    expect(agentWords("")).toBe("unknown program");
  });

  it("reads times as text and as numbers", () => {
    expect(instant("2026-11-30T12:00:00Z")).toBe(NOW);
    expect(instant(NOW)).toBe(NOW);
    expect(endWords(null, NOW)).toBe("no end");
    expect(endWords(NOW, NOW)).toMatch(/^ended /);
    expect(endWords(NOW + 1, NOW)).toMatch(/^until /);
    expect(fromLocal(toLocal(NOW))).toBe(NOW);
    expect([fromLocal(""), toLocal(undefined)]).toEqual([null, ""]);
  });

  it("groups a secret that is typed", () => {
    expect(inGroups("abcdefghij")).toBe("abcd efgh ij");
    expect(inGroups("abcd")).toBe("abcd");
  });
});

describe("a new password", () => {
  it("has at least twelve characters, and is typed twice", () => {
    expect(passwordProblem("abcdefghijk", "abcdefghijk")).toContain("11 characters");
    expect(passwordProblem("abcdefghijkl", "abcdefghijkl")).toBeNull();
    expect(passwordProblem("abcdefghijkl", "abcdefghijkm")).toContain("differ");
  });

  it("is counted in characters, not in units of the encoding", () => {
    expect(passwordProblem("😀".repeat(11), "😀".repeat(11))).toContain("11 characters");
    expect(passwordProblem("😀".repeat(12), "😀".repeat(12))).toBeNull();
  });
});

describe("a link and a sign-in", () => {
  it("says what a link is for", () => {
    expect(claimKind("eo_abc_def")).toBe("owner");
    expect(claimKind("ei_abc_def")).toBe("invitation");
    for (const other of ["", "ek_abc_def", "ei_", "xei_abc", "ei_a b"]) {
      expect(claimKind(other), other).toBeNull();
    }
    expect(claimProblem(new ApiError(410, "gone"))).toContain("Ask for a new one");
    expect(claimProblem(new ApiError(400, "this password is one of the most common ones"))).toContain("most common");
  });

  it("says why a sign-in failed", () => {
    expect(signInProblem(new ApiError(401, "x"), false)).toBe("The login or the password is wrong.");
    expect(signInProblem(new ApiError(401, "x"), true)).toContain("The code is wrong or was used before.");
    expect(signInProblem(new ApiError(429, "x", {}, 90_000), false)).toContain("1 min 30 s");
    expect(signInProblem(new ApiError(503, "the store is full"), false)).toContain("the store is full");
    expect(signInProblem(new TypeError("x"), false)).toContain("does not answer");
  });
});

describe("an address without a workspace", () => {
  const member = (id: string): Session => ({
    kind: "user",
    organisations: [{ id, name: id, role: "viewer", permissions: ["read"], workspaces: null }],
  });

  it("shows the one used last, then the default one, then the first one", () => {
    const local: Session = { ...member("default"), kind: "local" };
    expect(firstWorkspace(["a", "local", "b"], "b", local)).toBe("b");
    expect(firstWorkspace(["a", "local"], "gone", local)).toBe("local");
    expect(firstWorkspace(["b", "a"], "gone", local)).toBe("a");
    expect(firstWorkspace([], "last", local)).toBe("last");
  });

  it("names one of the own organisation if there is none", () => {
    expect(firstWorkspace([], "foreign.shop", member("acme"))).toBe("acme.local");
    expect(firstWorkspace([], "foreign.shop", member("default"))).toBe("local");
    expect(firstWorkspace(["acme.shop"], "foreign.shop", member("acme"))).toBe("acme.shop");
  });
});
