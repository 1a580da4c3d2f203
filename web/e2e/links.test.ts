/** A link shows the same workspace, page and selection to another person. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { Client } from "@earcon/client";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, visit } from "./browser.ts";
import { SCREENS } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

const SHOP = "e2e-shop";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  server = await startServer();
  browser = await launchBrowser();
  const timestamp = Date.now();
  await new Client({ url: server.url, workspace: "local" }).ingest([{ kpi: "e2e.local", timestamp, value: 1 }]);
  const shop = new Client({ url: server.url, workspace: SHOP });
  await shop.createWorkspace(SHOP);
  await shop.ingest([
    { kpi: "shop.orders", labels: { region: "eu" }, timestamp, value: 1 },
    { kpi: "shop.orders", labels: { region: "us" }, timestamp, value: 2 },
    { kpi: "shop.visits", timestamp, value: 3 },
  ]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const card = (page: Page, series: string) => page.locator(`[data-series="${series}"]`);
const workspace = (page: Page) => page.getByLabel("Workspace", { exact: true }).inputValue();

/** Opens the address of a page in a browser without any stored settings. */
async function share(page: Page): Promise<Page> {
  return (await visit(browser, page.url())).page;
}

it.each(SCREENS)("the address names the workspace, and a shared link opens it: %s", async (_, screen) => {
  const { page, errors } = await visit(browser, server.url, screen);
  await card(page, "e2e.local").waitFor();
  await page.waitForURL((address) => address.hash === "#/?workspace=local");
  await page.getByLabel("Workspace").selectOption(SHOP);
  await card(page, "shop.visits").waitFor();
  const shared = await share(page);
  await card(shared, "shop.visits").waitFor();
  expect(await workspace(shared)).toBe(SHOP);
  expect(await card(shared, "e2e.local").count()).toBe(0);
  expect(errors).toEqual([]);
});

it("every page keeps the workspace in its address", async () => {
  const { page } = await visit(browser, `${server.url}/#/?workspace=${SHOP}`);
  for (const name of ["Anomalies", "Cluster", "Detectors", "Import", "KPIs"]) {
    await page.getByRole("navigation").getByRole("link", { name }).click();
    await page.waitForURL((address) => address.hash.includes(`workspace=${SHOP}`));
    await page.locator(`nav [aria-current=page]`, { hasText: name }).waitFor();
    expect(await workspace(await share(page)), name).toBe(SHOP);
  }
});

it("a link to a KPI keeps the workspace, the series and the range", async () => {
  const { page } = await visit(browser, `${server.url}/#/?workspace=${SHOP}`);
  await card(page, "shop.visits").waitFor();
  await page.locator("a.card", { hasText: "us" }).click();
  await page.getByRole("button", { name: "6 h" }).click();
  await page.waitForURL((address) => address.hash.includes("last="));
  const shared = await share(page);
  await shared.locator(".chip[aria-pressed=true]", { hasText: "us" }).waitFor();
  expect(await shared.getByRole("button", { name: "6 h" }).getAttribute("aria-pressed")).toBe("true");
  expect(await workspace(shared)).toBe(SHOP);
});

it("a link to the cards keeps the filter and the order", async () => {
  const { page } = await visit(browser, `${server.url}/#/?workspace=${SHOP}`);
  await page.getByLabel("Filter KPIs").fill("orders");
  await page.getByRole("button", { name: "By score" }).click();
  await page.waitForURL((address) => address.hash.includes("filter=orders") && address.hash.includes("order=score"));
  const shared = await share(page);
  await expect.poll(() => shared.locator("a.card").count(), { timeout: 20_000 }).toBe(2);
  expect(await shared.getByRole("button", { name: "By score" }).getAttribute("aria-pressed")).toBe("true");
  // The page of a KPI leads back to the same cards.
  await shared.locator("a.card").first().click();
  await shared.getByRole("main").getByRole("link", { name: "All KPIs" }).click();
  await expect.poll(() => shared.getByLabel("Filter KPIs").inputValue(), { timeout: 20_000 }).toBe("orders");
});

it("back and forward lead through workspaces", async () => {
  const { page } = await visit(browser, server.url);
  await card(page, "e2e.local").waitFor();
  await page.getByLabel("Workspace").selectOption(SHOP);
  await card(page, "shop.visits").waitFor();
  await card(page, "shop.visits").click();
  await page.locator("[data-testid=chart]").waitFor();
  await page.goBack();
  await card(page, "shop.visits").waitFor();
  await page.goBack();
  await card(page, "e2e.local").waitFor();
  expect(await workspace(page)).toBe("local");
  await page.goForward();
  await card(page, "shop.visits").waitFor();
  expect(await workspace(page)).toBe(SHOP);
});

it("an address without a workspace opens the one used last", async () => {
  const { page } = await visit(browser, `${server.url}/#/?workspace=${SHOP}`);
  await card(page, "shop.visits").waitFor();
  await page.goto("about:blank");
  await page.goto(server.url);
  await card(page, "shop.visits").waitFor();
  await page.waitForURL((address) => address.hash === `#/?workspace=${SHOP}`);
});
