/**
 * A workspace is deleted in the dashboard, and a person states the unit of a KPI, on large and
 * small screens.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "@earcon/client";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { SCREENS } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  server = await startServer();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const WITHIN = { timeout: 20_000 };

/** A long name, so that what does not fit shows. */
const KPI = "shop.checkout.payments.card.declined_by_issuer_of_the_second_attempt";

async function fill(name: string): Promise<Client> {
  const client = new Client({ url: server.url, workspace: name });
  await client.createWorkspace(name);
  const now = Date.now();
  const samples = Array.from({ length: 60 }, (_, i) => ({ kpi: KPI, timestamp: now - (60 - i) * 1_000, value: i % 7 }));
  await client.ingest([...samples, { kpi: "shop.visits", timestamp: now, value: 3 }]);
  return client;
}

/** Asserts that the dialog and all in it are inside of the screen, and nothing scrolls sideways. */
async function fits(page: Page): Promise<void> {
  const outside = await page.evaluate(() => {
    const dialog = document.querySelector("dialog[open]");
    if (dialog === null) {
      return ["no dialog"];
    }
    const all = [dialog, ...dialog.querySelectorAll("*")];
    const right = document.documentElement.clientWidth;
    const names = all.filter((each) => {
      const { left, right: end } = each.getBoundingClientRect();
      return left < 0 || end > right + 0.5;
    });
    const scrolls = dialog.scrollWidth > dialog.clientWidth ? ["it scrolls sideways"] : [];
    return [...names.map((each) => each.outerHTML.slice(0, 80)), ...scrolls];
  });
  expect(outside).toEqual([]);
}

describe.each(SCREENS)("on a %s", (screen, options) => {
  it("a workspace is deleted after its name was typed", async () => {
    const name = `gone-${screen}`;
    const client = await fill(name);
    const { page, errors } = await visit(browser, `${server.url}/#/?workspace=${name}`, options);
    await page.locator(`[data-series="shop.visits"]`).waitFor();
    await page.getByLabel("Workspace", { exact: true }).selectOption("Delete this workspace…");
    const dialog = page.getByRole("dialog");
    await expect.poll(() => page.getByTestId("workspace-content").textContent(), WITHIN).toContain("2 KPIs with 2 series");
    await fits(page);
    await shoot(page, `delete-workspace-${screen}`);
    const confirm = dialog.getByRole("button", { name: "Delete the workspace" });
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.getByRole("textbox").fill("gone");
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "detached" });
    expect((await client.kpis()).kpis.length).toBe(2);

    await page.getByLabel("Workspace", { exact: true }).selectOption("Delete this workspace…");
    await dialog.getByRole("textbox").fill(name);
    // What the server answers if a store fails.
    const problem = { type: "/problems/unavailable", title: "t", status: 503, detail: "the database does not answer" };
    await page.route(`**/api/v1/workspaces/${name}?confirm=**`, (route) => route.fulfill({ status: 503, json: problem }));
    await confirm.click();
    await expect.poll(() => dialog.getByRole("alert").textContent(), WITHIN).toContain("the database does not answer");
    await page.unroute(`**/api/v1/workspaces/${name}?confirm=**`);
    await confirm.click();
    await dialog.waitFor({ state: "detached" });
    await expect.poll(() => page.getByLabel("Workspace", { exact: true }).inputValue(), WITHIN).toBe("local");
    const options2 = await page.getByLabel("Workspace", { exact: true }).locator("option").allTextContents();
    expect(options2).not.toContain(name);
    expect((await client.workspaces()).map(({ id }) => id)).not.toContain(name);
    expect(errors).toEqual([]);
  });

  it("a person states unit and description, and other pages show them", async () => {
    const name = `unit-${screen}`;
    const client = await fill(name);
    const address = `${server.url}/#/kpi/${encodeURIComponent(KPI)}?workspace=${name}`;
    const { page, errors } = await visit(browser, address, options);
    const meaning = page.getByTestId("meaning");
    await expect.poll(() => meaning.textContent(), WITHIN).toContain("No unit and no description");
    await meaning.getByRole("button").click();
    const dialog = page.getByRole("dialog");
    await fits(page);
    await dialog.getByLabel(/^Unit/).fill("ms");
    await dialog.getByLabel(/^Description/).fill("Time until the issuer has answered");
    await shoot(page, `unit-${screen}`);
    const problem = { type: "/problems/bad-request", title: "t", status: 400, detail: "the unit has control characters" };
    await page.route("**/settings", (route) => route.fulfill({ status: 400, json: problem }));
    await dialog.getByRole("button", { name: "Save" }).click();
    await expect.poll(() => dialog.getByRole("alert").textContent(), WITHIN).toContain("control characters");
    await page.unroute("**/settings");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    await expect.poll(() => meaning.textContent(), WITHIN).toContain("Unit ms, stated by a person");
    await expect.poll(() => page.locator("article.kpi").textContent(), WITHIN).toContain("Time until the issuer has answered");
    await expect.poll(() => page.locator("[data-testid=now] .unit").first().textContent(), WITHIN).toBe("ms");
    expect((await client.settings(KPI)).stated_by).toBe("person");
    await shoot(page, `unit-stated-${screen}`);

    await meaning.getByRole("button").click();
    await dialog.getByLabel(/^Unit/).fill("");
    await dialog.getByLabel(/^Description/).fill("");
    await dialog.getByRole("button", { name: "Save" }).click();
    await expect.poll(() => meaning.textContent(), WITHIN).toContain("No unit and no description");
    expect(errors).toEqual([]);
  });

  it("the dialog that deletes samples fits", async () => {
    const name = `fits-${screen}`;
    await fill(name);
    const address = `${server.url}/#/kpi/${encodeURIComponent(KPI)}?workspace=${name}`;
    const { page } = await visit(browser, address, options);
    await page.getByRole("button", { name: "Delete …" }).click();
    await expect.poll(() => page.getByTestId("delete-count").textContent(), WITHIN).toContain("60 samples");
    await fits(page);
    await shoot(page, `delete-samples-${screen}`);
  });
});
