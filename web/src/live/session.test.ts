import { describe, expect, it } from "vitest";
import {
  creatableIn,
  groupWorkspaces,
  isFresh,
  type Membership,
  organisationOf,
  organisationsOf,
  PERMISSIONS,
  permissionsFor,
  permissionsIn,
  refreshDelay,
  roleIn,
  serverPermissions,
  type Session,
  shortName,
  workspaceOf,
} from "./session.ts";

function session(...organisations: Membership[]): Session {
  return { kind: "user", user: { id: "u_1", login: "anna", name: "Anna", two_factor: false }, organisations };
}

const ACME: Membership = { id: "acme", name: "Acme", role: "operator", permissions: ["read", "listen", "mute"], workspaces: null };
const ONLY_SHOP: Membership = { ...ACME, workspaces: ["acme.shop"] };

describe("a session", () => {
  it("without accounts may do everything everywhere", () => {
    const local: Session = { kind: "local" };
    expect([...permissionsIn(local, "shop")]).toEqual([...PERMISSIONS]);
    expect([...permissionsIn(local, "acme.shop")]).toEqual([...PERMISSIONS]);
    expect(serverPermissions(local).has("read-server")).toBe(true);
  });

  it("has rights in the workspaces of its organisation alone", () => {
    expect([...permissionsIn(session(ACME), "acme.shop")]).toEqual(["read", "listen", "mute"]);
    for (const foreign of ["shop", "acme", "acmes.shop", "other.acme"]) {
      expect([...permissionsIn(session(ACME), foreign)], foreign).toEqual([]);
    }
    expect([...permissionsIn({ kind: "user" }, "shop")]).toEqual([]);
  });

  it("has rights in the workspaces that a grant lists, and not in others of the organisation", () => {
    expect(permissionsIn(session(ONLY_SHOP), "acme.shop").has("mute")).toBe(true);
    expect([...permissionsIn(session(ONLY_SHOP), "acme.plant")]).toEqual([]);
    expect([...permissionsFor(session(ONLY_SHOP), "acme")], "of the whole organisation").toEqual([]);
  });

  it("unites the rights of several grants", () => {
    const both = session({ ...ACME, role: "viewer", permissions: ["read"] }, { ...ONLY_SHOP, permissions: ["mute"] });
    expect([...permissionsIn(both, "acme.shop")]).toEqual(["read", "mute"]);
    expect([...permissionsIn(both, "acme.plant")]).toEqual(["read"]);
    expect(organisationsOf(both)).toEqual([{ id: "acme", name: "Acme" }]);
    expect(roleIn(both, "acme")).toBe("operator");
    expect(roleIn(both, "default")).toBeNull();
  });

  it("has rights for the installation only from the organisation default", () => {
    const admin: Membership = { ...ACME, permissions: ["read-server", "manage-workspaces"] };
    expect(serverPermissions(session(admin)).has("read-server")).toBe(false);
    expect(serverPermissions(session({ ...admin, id: "default" })).has("read-server")).toBe(true);
    expect(creatableIn(session(admin, { ...ONLY_SHOP, id: "b" }))).toEqual([{ id: "acme", name: "Acme" }]);
  });
});

describe("a workspace", () => {
  it("names its organisation, unless that is default", () => {
    expect([organisationOf("acme.shop"), organisationOf("shop")]).toEqual(["acme", "default"]);
    expect([shortName("acme.shop"), shortName("shop")]).toEqual(["shop", "shop"]);
    expect([workspaceOf("acme", "shop"), workspaceOf("default", "shop")]).toEqual(["acme.shop", "shop"]);
  });

  it("is grouped by organisation, default first", () => {
    const groups = groupWorkspaces(["zeta.a", "shop", "acme.b", "acme.a"], session(ACME));
    expect(groups).toEqual([
      { organisation: { id: "default", name: "default" }, workspaces: ["shop"] },
      { organisation: { id: "acme", name: "Acme" }, workspaces: ["acme.a", "acme.b"] },
      { organisation: { id: "zeta", name: "zeta" }, workspaces: ["zeta.a"] },
    ]);
  });
});

describe("the access of a session", () => {
  const ends = (ms: number): Session => ({ kind: "user", expires_at: new Date(ms).toISOString() });

  it("is renewed before its end", () => {
    expect(refreshDelay(ends(300_000), 0)).toBe(255_000);
    expect(isFresh(ends(300_000), 0)).toBe(true);
    expect(isFresh(ends(300_000), 260_000)).toBe(false);
  });

  it("is not renewed all the time if the clocks differ or it is short", () => {
    expect(refreshDelay(ends(0), 1_000_000)).toBe(15_000);
    expect(refreshDelay(ends(60_000), 59_000)).toBe(15_000);
  });

  it("may have no end", () => {
    expect(refreshDelay({ kind: "local" }, 0)).toBeNull();
    expect(refreshDelay({ kind: "user", expires_at: null }, 0)).toBeNull();
    expect(isFresh({ kind: "local" }, 0)).toBe(true);
  });
});
