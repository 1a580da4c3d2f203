/** What a role does not permit is not shown. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser, Page } from "playwright-core";
import { join, open, type Owned, outside, send, startOwned } from "./accounts.ts";
import { launchBrowser, shoot } from "./browser.ts";
import { ordinary, spike } from "./ingest.ts";
import { SCREENS } from "./screens.ts";

const WITHIN = { timeout: 20_000 };
const KPI = "shop.checkout.revenue";

let browser: Browser;
let owned: Owned;

beforeAll(async () => {
  browser = await launchBrowser();
  owned = await startOwned(browser);
  await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/shop");
  const now = Date.now();
  const samples = [...ordinary(KPI, 400, now - 10_000), ...spike(KPI, 6, now - 9_000)];
  await send(owned.server, owned.owner, "POST", "/api/v1/workspaces/shop/kpis/ingest", { samples });
});

afterAll(async () => {
  await browser?.close();
  await owned?.server.close();
});

const links = (page: Page) => page.getByRole("navigation", { name: "Pages" }).getByRole("link").allTextContents();
const buttons = (page: Page) => page.getByRole("button").allTextContents();

describe.each(SCREENS)("on a %s", (screen, options) => {
  it("a listener gets the sound alone", async () => {
    const lea = await join(browser, owned, `lea-${screen}`, { role: "listener", workspaces: null }, options);
    const { page, errors } = await open(lea, `${owned.server.url}/#/?workspace=shop`);
    await page.getByRole("heading", { name: "The sound of shop" }).waitFor();
    expect(await links(page)).toEqual([]);
    expect(await page.locator("[data-testid=connection], .incidents, .feed, .card").count()).toBe(0);
    await page.getByRole("button", { name: "Listen" }).click();
    await page.locator("[data-testid=sound][data-state=playing], [data-testid=sound][data-state=mute]").waitFor();
    await expect.poll(async () => Number(await page.getByTestId("sound").getAttribute("data-received")), WITHIN).toBeGreaterThan(5);
    expect(await page.getByRole("group", { name: "Mode" }).count(), "the mix is not theirs to change").toBe(0);
    expect(await outside(page)).toEqual([]);
    await shoot(page, `listener-${screen}`);
    expect(errors).toEqual([]);
    await lea.context.close();
  });

  it("a viewer sees everything and changes nothing", async () => {
    const vera = await join(browser, owned, `vera-${screen}`, { role: "viewer", workspaces: null }, options);
    const { page, errors } = await open(vera, `${owned.server.url}/#/anomalies?workspace=shop`);
    await page.locator("[data-testid=anomaly]").first().waitFor();
    expect((await links(page)).map((link) => link.replace(/\d+$/, ""))).toEqual(["KPIs", "Anomalies", "Detectors"]);
    await page.getByRole("button", { name: `Why ${KPI}` }).first().click();
    await page.getByTestId("why").first().locator("img").waitFor();
    await shoot(page, `viewer-${screen}`);
    for (const refused of ["Acknowledge", "Note…", "Real", "False alarm"]) {
      expect(await buttons(page)).not.toContain(refused);
    }
    expect(await page.getByText("Mute for").count()).toBe(0);
    const choice = await page.getByLabel("Workspace", { exact: true }).locator("option").allTextContents();
    expect(choice).toEqual(["local", "shop"]);

    await page.goto(`${owned.server.url}/#/kpi/${KPI}?workspace=shop`);
    await page.getByTestId("meaning").waitFor();
    expect(await page.getByTestId("meaning").getByRole("button").count()).toBe(0);
    expect(await page.getByText("Pitch rises when the value").count()).toBe(0);
    expect(await buttons(page)).not.toContain("Delete …");

    await page.goto(`${owned.server.url}/#/import?workspace=shop`);
    await page.getByRole("heading", { name: "Imports are not for your role" }).waitFor();
    await page.goto(`${owned.server.url}/#/cluster?workspace=shop`);
    await page.getByRole("heading", { name: "The cluster is not for your role" }).waitFor();
    await page.goto(`${owned.server.url}/#/organisation/default/members?workspace=shop`);
    await page.getByRole("link", { name: "Keys" }).waitFor();
    const tabs = await page.getByRole("navigation", { name: "Organisation" }).getByRole("link").allTextContents();
    expect(tabs).toEqual(["Keys", "Sessions"]);
    expect(errors).toEqual([]);
    await vera.context.close();
  });

  it("an operator acknowledges, mutes and gives feedback, and edits nothing", async () => {
    const otto = await join(browser, owned, `otto-${screen}`, { role: "operator", workspaces: null }, options);
    const { page } = await open(otto, `${owned.server.url}/#/anomalies?workspace=shop`);
    await page.getByRole("button", { name: `Why ${KPI}` }).first().click();
    const why = page.getByTestId("why").first();
    await why.getByRole("button", { name: "Real" }).waitFor();
    await why.getByText("Mute for").waitFor();
    expect(await links(page)).not.toContain("Import");
    await otto.context.close();
  });

  it("rights that come and go change the page at once", async () => {
    const login = `uwe-${screen}`;
    const uwe = await join(browser, owned, login, { role: "editor", workspaces: null }, options);
    const { page } = await open(uwe, `${owned.server.url}/#/kpi/${KPI}?workspace=shop`);
    const change = page.getByRole("button", { name: /^(State them|Change) …$/ });
    await change.waitFor();
    const { members } = await send<{ members: { user: { id: string; login: string } }[] }>(
      owned.server,
      owned.owner,
      "GET",
      "/api/v1/organisations/default/members",
    );
    const id = members.find(({ user }) => user.login === login)?.user.id ?? "";
    await send(owned.server, owned.owner, "PUT", `/api/v1/organisations/default/members/${id}`, {
      grants: [{ role: "viewer", workspaces: null }],
    });
    // What was open is refused, and with the refusal the page learns of the new rights.
    await change.click({ timeout: 5_000 }).catch(() => undefined);
    const save = page.getByRole("dialog").getByRole("button", { name: "Save" });
    await save.click({ timeout: 5_000 }).catch(() => undefined);
    await expect.poll(() => change.count(), WITHIN).toBe(0);
    await uwe.context.close();
  });

  it("the choice of workspaces is grouped by organisation", async () => {
    const { context, page, errors } = await twoOrganisations(options.viewport ?? { width: 1280, height: 800 });
    const choice = page.getByLabel("Workspace", { exact: true });
    await choice.locator("optgroup[label=Acme]").waitFor({ state: "attached" });
    expect(await choice.locator("optgroup[label=Acme] option").allTextContents()).toEqual(["plant"]);
    await choice.selectOption("acme.plant");
    await expect.poll(() => page.url(), WITHIN).toContain("workspace=acme.plant");
    await shoot(page, `organisations-${screen}`);
    expect(await outside(page)).toEqual([]);
    expect(errors).toEqual([]);
    await context.close();
  });
});

/** The first owner with a further organisation `acme`, which has the workspace `plant`. */
async function twoOrganisations(viewport: { width: number; height: number }) {
  await send(owned.server, owned.owner, "PUT", "/api/v1/organisations/acme", { name: "Acme" });
  await send(owned.server, owned.owner, "PUT", "/api/v1/workspaces/acme.plant");
  const state = await owned.owner.context.storageState();
  const context = await browser.newContext({ viewport, storageState: state });
  const opened = await open({ ...owned.owner, context }, `${owned.server.url}/#/?workspace=shop`);
  return { context, ...opened };
}
