/** The first owner, signing in and out, the end of a session, and the second factor. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { join, open, type Owned, ownerSecret, outside, PASSWORD, send, signIn, startAccounts, startOwned, totp } from "./accounts.ts";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { SCREENS } from "./screens.ts";

const WITHIN = { timeout: 20_000 };

let browser: Browser;
let owned: Owned;

beforeAll(async () => {
  browser = await launchBrowser();
  owned = await startOwned(browser);
  await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/shop");
});

afterAll(async () => {
  await browser?.close();
  await owned?.server.close();
});

describe.each(SCREENS)("on a %s", (screen, options) => {
  it("the first owner claims a new server, names the organisation and makes a workspace", async () => {
    const server = await startAccounts();
    try {
      const { page, errors } = await visit(browser, server.url, options);
      await page.getByRole("heading", { name: "Nobody owns this server yet" }).waitFor();
      await shoot(page, `unclaimed-${screen}`);
      await page.goto(`${server.url}/#/claim/${await ownerSecret(server)}`);
      await page.reload();
      const form = page.getByRole("form", { name: "New account" });
      await form.getByLabel("Login", { exact: true }).fill("anna");
      await form.getByLabel("Name", { exact: true }).fill("Anna Berg");
      await form.getByLabel("Password", { exact: true }).fill("short");
      await form.getByLabel("Password again", { exact: true }).focus();
      await form.getByText("The password has 5 characters. It needs at least 12.").waitFor();
      const button = form.getByRole("button", { name: "Own this server" });
      expect(await button.isDisabled()).toBe(true);
      await form.getByLabel("Password", { exact: true }).fill(PASSWORD);
      await form.getByLabel("Password again", { exact: true }).fill(PASSWORD);
      await form.getByLabel("Name of the organisation").fill("Acme & Sons");
      await form.getByLabel("First workspace (optional)").fill("orders");
      expect(await outside(page)).toEqual([]);
      await shoot(page, `first-owner-${screen}`);
      await button.click();
      await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
      expect(page.url()).toContain("workspace=orders");
      expect(page.url(), "the secret leaves the address").not.toContain("eo_");
      await page.reload();
      await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
      await page.getByRole("button", { name: "Account: Anna Berg" }).click();
      await page.getByTestId("account-menu").getByText("Acme & Sons").waitFor();
      expect(await outside(page)).toEqual([]);
      await shoot(page, `account-menu-${screen}`);
      expect(errors).toEqual([]);
      await page.context().close();
    } finally {
      await server.close();
    }
  });

  it("a link leads to the sign-in, and after it to the page that it names", async () => {
    const { page, errors } = await visit(browser, `${owned.server.url}/#/detectors?workspace=shop`, options);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await outside(page)).toEqual([]);
    await shoot(page, `sign-in-${screen}`);
    await signIn(page, "olga", "another password");
    await page.getByRole("alert").getByText("The login or the password is wrong.").waitFor();
    expect(await page.getByLabel("Login", { exact: true }).inputValue()).toBe("olga");
    await shoot(page, `sign-in-wrong-${screen}`);
    await signIn(page, "olga");
    await page.getByRole("heading", { name: "Detectors", level: 1 }).waitFor();
    expect(page.url()).toContain("#/detectors?workspace=shop");
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("the end of a session covers the page, which is as it was after the sign-in", async () => {
    const { page, errors } = await visit(browser, `${owned.server.url}/#/?workspace=shop`, options);
    await signIn(page, "olga");
    await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
    await page.getByLabel("Workspace", { exact: true }).selectOption("New workspace…");
    const dialog = page.getByRole("dialog", { name: "New workspace" });
    await dialog.getByRole("textbox").fill(`begun-${screen}`);
    await page.context().clearCookies();
    await dialog.getByRole("button", { name: "Create" }).click();
    const again = page.getByRole("dialog", { name: "Sign in again" });
    await again.waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await expect.poll(() => again.isVisible(), WITHIN).toBe(true);
    const focused = again.getByLabel("Password", { exact: true });
    await expect.poll(() => focused.evaluate((field) => field === document.activeElement), WITHIN).toBe(true);
    await shoot(page, `sign-in-again-${screen}`);
    expect(await again.getByLabel("Login", { exact: true }).inputValue()).toBe("olga");
    await again.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await again.getByRole("button", { name: "Sign in" }).click();
    await again.waitFor({ state: "detached" });
    expect(await dialog.getByRole("textbox").inputValue(), "what was typed is kept").toBe(`begun-${screen}`);
    await dialog.getByRole("button", { name: "Create" }).click();
    await expect.poll(() => page.url(), WITHIN).toContain(`workspace=begun-${screen}`);
    await page.locator("[data-testid=connection][data-phase=live]").waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("after the sign-out the page is gone, in all tabs", async () => {
    const { page } = await visit(browser, `${owned.server.url}/#/?workspace=shop`, options);
    await signIn(page, "olga");
    await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
    const other = await page.context().newPage();
    await other.goto(`${owned.server.url}/#/?workspace=shop`);
    await other.getByRole("heading", { name: "No KPIs yet" }).waitFor();
    await page.getByRole("button", { name: "Account: Olga" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in", exact: true }).waitFor();
    expect(await page.locator("header.top").count()).toBe(0);
    await other.getByRole("heading", { name: "Sign in again" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Sign in", exact: true }).waitFor();
    await page.context().close();
  });

  it("the second factor is set up, asked for, and switched off", async () => {
    const login = `tom-${screen}`;
    const tom = await join(browser, owned, login, { role: "viewer", workspaces: null }, options);
    const { page, errors } = await open(tom, `${owned.server.url}/#/account/two-factor?workspace=shop`);
    await page.getByRole("button", { name: "Set it up" }).click();
    const secret = (await page.getByTestId("totp-secret").innerText()).trim();
    const code = page.getByRole("textbox", { name: /^2\. Enter the code/ });
    await page.getByRole("img", { name: "The secret for the app, as a QR code" }).waitFor();
    await code.fill("000000");
    await page.getByLabel("3. Enter your password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Switch it on" }).click();
    await page.getByRole("alert").getByText("The code is wrong.").waitFor();
    expect(await outside(page)).toEqual([]);
    await shoot(page, `two-factor-${screen}`);
    const first = totp(secret);
    await code.fill(first);
    await page.getByRole("button", { name: "Switch it on" }).click();
    const recovery = (await page.getByTestId("secret").innerText()).trim().split("\n");
    expect(recovery.length).toBeGreaterThan(2);
    await shoot(page, `recovery-codes-${screen}`);
    await page.getByRole("button", { name: "I have kept them" }).click();

    const { page: elsewhere } = await visit(browser, `${owned.server.url}/#/?workspace=shop`, options);
    await signIn(elsewhere, login);
    const asked = elsewhere.getByLabel("Code", { exact: true });
    await asked.waitFor();
    await expect.poll(() => asked.evaluate((field) => field === document.activeElement), WITHIN).toBe(true);
    await asked.fill("000000");
    await elsewhere.getByRole("button", { name: "Sign in" }).click();
    await elsewhere.getByRole("alert").getByText("The code is wrong or was used before.").waitFor();
    await shoot(elsewhere, `sign-in-code-${screen}`);
    await asked.fill(recovery[0] ?? "");
    await elsewhere.getByRole("button", { name: "Sign in" }).click();
    await elsewhere.getByRole("heading", { name: "No KPIs yet" }).waitFor();
    await elsewhere.context().close();

    const off = page.getByRole("form", { name: "Switch two-factor sign-in off" });
    const switchOff = async (password: string, code: string) => {
      await off.getByLabel("Password", { exact: true }).fill(password);
      await off.getByLabel("Code", { exact: true }).fill(code);
      await off.getByRole("button", { name: "Switch it off" }).click();
    };
    await switchOff("another password", recovery[1] ?? "");
    await page.getByRole("alert").getByText("The password or the code is wrong.").waitFor();
    await switchOff(PASSWORD, recovery[1] ?? "");
    await page.getByText("Two-factor sign-in is off.").waitFor();
    expect(errors).toEqual([]);
    await tom.context.close();
  });

  it("another password ends the sessions elsewhere", async () => {
    const login = `pia-${screen}`;
    const pia = await join(browser, owned, login, { role: "viewer", workspaces: null }, options);
    const { page } = await open(pia, `${owned.server.url}/#/account/password?workspace=shop`);
    const { page: elsewhere } = await visit(browser, `${owned.server.url}/#/account/sessions?workspace=shop`, options);
    await signIn(elsewhere, login);
    await elsewhere.locator("[data-testid=session]").nth(1).waitFor();
    expect(await elsewhere.locator("[data-testid=session][data-current=true]").count()).toBe(1);
    await shoot(elsewhere, `account-sessions-${screen}`);
    const change = async (current: string, password: string) => {
      const form = page.getByRole("form", { name: "Change the password" });
      await form.getByLabel("Present password", { exact: true }).fill(current);
      await form.getByLabel("Password", { exact: true }).fill(password);
      await form.getByLabel("Password again", { exact: true }).fill(password);
      await form.getByRole("button", { name: "Change the password" }).click();
    };
    await change("another password", "nine red kites fly");
    await page.getByRole("alert").getByText("The present password is wrong.").waitFor();
    expect(await outside(page)).toEqual([]);
    await shoot(page, `account-password-${screen}`);
    await change(PASSWORD, "nine red kites fly");
    await page.getByText("The password is changed.").waitFor();
    await elsewhere.getByRole("heading", { name: "Sign in again" }).waitFor(WITHIN);
    await signIn(elsewhere, login, "nine red kites fly");
    await elsewhere.getByRole("heading", { name: "Sign in again" }).waitFor({ state: "detached" });
    await elsewhere.context().close();
    await pia.context.close();
  });
});

it("an access that has ended is renewed once for all tabs", async () => {
  const { page } = await visit(browser, `${owned.server.url}/#/?workspace=shop`);
  await signIn(page, "olga");
  await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
  const context = page.context();
  const tabs = [page, await context.newPage(), await context.newPage()];
  for (const tab of tabs.slice(1)) {
    await tab.goto(`${owned.server.url}/#/?workspace=shop`);
    await tab.getByRole("heading", { name: "No KPIs yet" }).waitFor();
  }
  let renewals = 0;
  context.on("request", (request) => {
    renewals += Number(request.url().endsWith("/session/refresh"));
  });
  await context.clearCookies({ name: /earcon_session$/ });
  await Promise.all(tabs.map((tab) => tab.getByRole("link", { name: "Detectors" }).click()));
  for (const tab of tabs) {
    await tab.getByRole("heading", { name: "Detectors", level: 1 }).waitFor();
  }
  expect(renewals).toBe(1);
  await context.close();
});
