/** The pages of an organisation: members, invitations, keys, sessions, audit log. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { join, open, type Owned, outside, PASSWORD, send, startOwned } from "./accounts.ts";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { SCREENS } from "./screens.ts";

const WITHIN = { timeout: 20_000 };

let browser: Browser;
let owned: Owned;

beforeAll(async () => {
  browser = await launchBrowser();
  owned = await startOwned(browser);
  await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/shop");
  await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/plant");
});

afterAll(async () => {
  await browser?.close();
  await owned?.server.close();
});

const address = (section: string) => `${owned.server.url}/#/organisation/default/${section}?workspace=shop`;

describe.each(SCREENS)("on a %s", (screen, options) => {
  /** A page of the first owner. */
  async function page(section: string) {
    const opened = await open(owned.owner, address(section));
    await opened.page.setViewportSize(options.viewport ?? { width: 1280, height: 800 });
    return opened;
  }

  it("an invitation is a link that is shown once, and makes a member", async () => {
    const { page: owner, errors } = await page("invitations");
    await owner.getByRole("button", { name: "Invite somebody …" }).click();
    const dialog = owner.getByRole("dialog");
    await dialog.getByLabel("Role").selectOption("operator");
    await dialog.getByLabel("Only these").check();
    const make = dialog.getByRole("button", { name: "Make the link" });
    expect(await make.isDisabled(), "a reach of no workspace").toBe(true);
    await dialog.getByLabel("shop").check();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `invite-${screen}`);
    await make.click();
    const link = (await owner.getByTestId("secret").innerText()).trim();
    expect(link).toContain("/#/claim/ei_");
    await owner.getByText("This is shown once, and not again.").waitFor();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `invitation-link-${screen}`);
    await dialog.getByRole("button", { name: "Done" }).click();
    await owner.locator("[data-testid=invitation]", { hasText: "operator of shop" }).waitFor();
    await shoot(owner, `invitations-${screen}`);
    expect(await owner.content()).not.toContain(link.split("/").at(-1));

    const { page: guest } = await visit(browser, link, options);
    await guest.getByRole("heading", { name: "You are invited" }).waitFor();
    const form = guest.getByRole("form", { name: "New account" });
    await form.getByLabel("Login", { exact: true }).fill(`ben-${screen}`);
    await form.getByLabel("Name", { exact: true }).fill(`Ben ${screen}`);
    await form.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await form.getByLabel("Password again", { exact: true }).fill(PASSWORD);
    expect(await outside(guest)).toEqual([]);
    await shoot(guest, `invited-${screen}`);
    await form.getByRole("button", { name: "Make the account" }).click();
    await guest.locator("[data-testid=connection][data-phase=live]").waitFor();
    const workspaces = guest.getByLabel("Workspace", { exact: true }).locator("option");
    await expect.poll(() => workspaces.allTextContents(), WITHIN).toEqual(["shop"]);

    const { page: late } = await visit(browser, link, options);
    await late.getByLabel("Login", { exact: true }).fill("late");
    await late.getByLabel("Name", { exact: true }).fill("Late");
    await late.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await late.getByLabel("Password again", { exact: true }).fill(PASSWORD);
    await late.getByRole("button", { name: "Make the account" }).click();
    await late.getByRole("alert").getByText("This link does not work any more").waitFor();

    await owner.getByRole("link", { name: "Members" }).click();
    await owner.locator(`[data-login="ben-${screen}"]`, { hasText: "operator of shop" }).waitFor();
    expect(errors).toEqual([]);
    await guest.context().close();
    await late.context().close();
    await owner.close();
  });

  it("a signed-in user joins with an invitation, without another account", async () => {
    const ida = await join(browser, owned, `ida-${screen}`, { role: "viewer", workspaces: ["shop"] }, options);
    await send(owned.server, owned.owner, "PUT", "/api/v1/organisations/acme", { name: "Acme" });
    await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/acme.plant");
    const path = "/api/v1/organisations/acme/invitations";
    const { secret } = await send<{ secret: string }>(owned.server, owned.owner, "POST", path, {
      role: "viewer",
      workspaces: ["acme.plant"],
      days: 1,
    });
    const { page: guest } = await open(ida, `${owned.server.url}/#/claim/${secret}`);
    await guest.getByRole("button", { name: `Join as Ida-${screen}` }).click();
    const workspaces = guest.getByLabel("Workspace", { exact: true }).locator("option");
    await expect.poll(() => workspaces.allTextContents(), WITHIN).toEqual(["shop", "plant"]);
    expect(await guest.getByLabel("Workspace", { exact: true }).locator("optgroup").count()).toBe(2);
    await ida.context.close();
  });

  it("members change their role and go, and the last owner stays", async () => {
    const login = `kim-${screen}`;
    const kim = await join(browser, owned, login, { role: "viewer", workspaces: null }, options);
    const { page: owner, errors } = await page("members");
    const row = owner.locator(`[data-login="${login}"]`);
    await row.getByRole("button", { name: /^Change the role/ }).click();
    const dialog = owner.getByRole("dialog");
    await dialog.getByLabel("Role").selectOption("editor");
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `member-role-${screen}`);
    await dialog.getByRole("button", { name: "Save" }).click();
    await row.getByText("editor of all workspaces").waitFor();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `members-${screen}`);

    const self = owner.locator('[data-login="olga"]');
    await self.getByRole("button", { name: /^Remove/ }).click();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await dialog.getByRole("alert").getByText("Olga is the last owner.").waitFor();
    await shoot(owner, `last-owner-${screen}`);
    await dialog.getByRole("button", { name: "Cancel" }).click();

    await row.getByRole("button", { name: /^Remove/ }).click();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await row.waitFor({ state: "detached" });
    await self.waitFor();
    expect(errors).toEqual([]);
    await owner.close();
    await kim.context.close();
  });

  it("a key is shown once, works, is rotated with an overlap, and is revoked", async () => {
    const { page: owner, errors } = await page("keys");
    const name = `agent ${screen}`;
    await owner.getByRole("button", { name: "New key …" }).click();
    const dialog = owner.getByRole("dialog");
    await dialog.getByLabel(/^Name/).fill(name);
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `new-key-${screen}`);
    await dialog.getByRole("button", { name: "Make the key" }).click();
    const first = (await owner.getByTestId("secret").innerText()).trim();
    expect(first).toMatch(/^ek_\w+_\w+$/);
    await owner.getByText("This is shown once, and not again.").waitFor();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `key-shown-${screen}`);
    await dialog.getByRole("button", { name: "Done" }).click();
    expect(await owner.content(), "it is gone from the page").not.toContain(first);
    const row = owner.locator("[data-testid=key]", { hasText: name });
    await row.getByText("valid, until").waitFor();
    expect(await ingest(first)).toBe(true);

    await row.getByRole("button", { name: `Rotate ${name}` }).click();
    await dialog.getByRole("button", { name: "Make a new secret" }).click();
    const second = (await owner.getByTestId("secret").innerText()).trim();
    expect(second).not.toBe(first);
    await dialog.getByText("The secret before it works for a day.").waitFor();
    await dialog.getByRole("button", { name: "Done" }).click();
    await row.getByText(/the secret before it works for/).waitFor();
    await shoot(owner, `keys-${screen}`);
    expect([await ingest(first), await ingest(second)]).toEqual([true, true]);

    await row.getByRole("button", { name: `Revoke ${name}` }).click();
    await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
    await row.getByText(/revoked/).waitFor();
    expect(await row.getAttribute("data-valid")).toBe("false");
    expect([await ingest(first), await ingest(second)]).toEqual([false, false]);
    expect(errors).toEqual([]);
    await owner.close();
  });

  it("a session is ended, and its page asks for a sign-in within seconds", async () => {
    const login = `sam-${screen}`;
    const sam = await join(browser, owned, login, { role: "viewer", workspaces: null }, options);
    const { page: guest } = await open(sam, `${owned.server.url}/#/?workspace=shop`);
    await guest.locator("[data-testid=connection][data-phase=live]").waitFor();
    const { page: owner } = await page("sessions");
    const row = owner.locator("[data-testid=session]", { hasText: login });
    await row.waitFor();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `sessions-${screen}`);
    await row.getByRole("button", { name: /^End the session/ }).click();
    await owner.getByRole("dialog").getByRole("button", { name: "End the session" }).click();
    await row.waitFor({ state: "detached" });
    await guest.getByRole("heading", { name: "Sign in again" }).waitFor(WITHIN);
    await owner.close();
    await sam.context.close();
  });

  it("the audit log is searched", async () => {
    for (const role of ["viewer", "editor", "admin"]) {
      const invitation = { role, workspaces: null, days: 1 };
      await send(owned.server, owned.owner, "POST", "/api/v1/organisations/default/invitations", invitation);
    }
    const { page: owner, errors } = await page("audit");
    const records = owner.locator("[data-testid=audit-record]");
    await records.first().waitFor();
    expect(await outside(owner)).toEqual([]);
    await shoot(owner, `audit-${screen}`);
    const form = owner.getByRole("form", { name: "Filter" });
    await form.getByLabel("Who").fill("nobody-of-this-name");
    await form.getByRole("button", { name: "Search" }).click();
    await owner.getByText("No record matches.").waitFor();
    await form.getByLabel("Who").fill("");
    await form.getByRole("button", { name: "Search" }).click();
    await records.first().waitFor();

    // Pages of two records, so that a few are several pages.
    await owner.route("**/audit?**", (route) => route.continue({ url: route.request().url().replace("limit=100", "limit=2") }));
    await form.getByRole("button", { name: "Search" }).click();
    await expect.poll(() => records.count(), WITHIN).toBe(2);
    const before = await records.allTextContents();
    await owner.getByRole("button", { name: "Show more" }).click();
    await expect.poll(() => records.count(), WITHIN).toBe(4);
    const both = await records.allTextContents();
    expect(both.slice(0, 2)).toEqual(before);
    expect(new Set(both).size).toBe(4);
    expect(errors).toEqual([]);
    await owner.close();
  });
});

/** Whether the server takes a sample with this key. */
async function ingest(key: string): Promise<boolean> {
  const response = await fetch(`${owned.server.url}/api/v1/workspaces/shop/kpis/ingest`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ samples: [{ kpi: "sent.by_key", value: 1 }] }),
  });
  if (!response.ok && response.status !== 401) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
  return response.ok;
}
