/** The page without its server: what it shows is marked as outdated. Each test starts a server. */

import { afterEach, beforeEach, expect, it } from "vitest";
import type { Browser, Locator, Page } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary, spike } from "./ingest.ts";
import { DESKTOP, SCREENS } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

const KPI = "e2e.outdated";

let browser: Browser;
let server: Server;

beforeEach(async () => {
  server = await startServer();
  browser = await launchBrowser();
});

afterEach(async () => {
  await browser?.close();
  await server?.close();
});

/** The product of the opacities of an element and all elements around it. */
function opacity(locator: Locator): Promise<number> {
  return locator.evaluate((element) => {
    let product = 1;
    for (let each: Element | null = element; each !== null; each = each.parentElement) {
      product *= Number(getComputedStyle(each).opacity);
    }
    return product;
  });
}

const notice = (page: Page) => page.getByTestId("outdated");

it.each(SCREENS)("fades values and says since when, until the server is back: %s", async (name, screen) => {
  await ingest(server.url, ordinary(KPI, 60, Date.now()));
  const { page, errors } = await visit(browser, server.url, screen);
  const value = page.locator(`[data-series="${KPI}"] [data-testid=value]`);
  await value.waitFor();
  const incidents = page.getByRole("region", { name: "Incidents" });
  await incidents.getByText("No open incident has alerted.").waitFor();
  expect(await notice(page).count()).toBe(0);
  expect(await opacity(value)).toBe(1);

  await server.kill();
  await notice(page).getByText(/No connection since \d\d:\d\d:\d\d.*Everything shown is from then/).waitFor();
  expect(await opacity(value)).toBeLessThan(0.7);
  expect(await page.title()).toContain("no connection");
  expect(await incidents.innerText()).toMatch(/None was open at .*not known/);
  expect(await page.locator("body").innerText()).not.toContain("No open incident has alerted");
  // The line is as wide as the screen, and hides nothing that is in the header.
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await shoot(page, `outdated-${name}`);

  await server.restart();
  await notice(page).waitFor({ state: "detached" });
  await incidents.getByText("No open incident has alerted.").waitFor();
  expect(await opacity(value)).toBe(1);
  expect(errors).toEqual([]);
});

it.each(SCREENS)("fades the value and the chart of a KPI: %s", async (name, screen) => {
  await ingest(server.url, ordinary(KPI, 120, Date.now() - 10_000));
  const { page } = await visit(browser, `${server.url}/#/kpi/${KPI}`, screen);
  await page.locator("[data-testid=chart][data-points='120']").waitFor();
  await page.getByText("Live", { exact: true }).last().waitFor();
  await server.kill();
  await notice(page).waitFor();
  expect(await opacity(page.getByTestId("now").locator(".value"))).toBeLessThan(0.7);
  expect(await opacity(page.getByTestId("chart"))).toBeLessThan(0.7);
  await page.getByText(/^Up to \d\d:\d\d:\d\d$/).waitFor();
  await page.getByText(/None was open at .*not known/).waitFor();
  await shoot(page, `outdated-kpi-${name}`);
});

it("fades anomalies and open incidents, which say since when they are open", async () => {
  const now = Date.now();
  await ingest(server.url, ordinary(KPI, 400, now - 10_000));
  const { page } = await visit(browser, server.url, DESKTOP);
  await page.locator(`[data-series="${KPI}"][data-state=normal]`).waitFor();
  await ingest(server.url, spike(KPI, 6, now - 9_000));
  const since = page.locator("[data-testid=incident][data-alerted=true] .since time");
  await since.waitFor();
  expect(await opacity(since)).toBe(1);
  await server.kill();
  await notice(page).waitFor();
  expect(await opacity(page.locator(".feed [data-testid=anomaly] .words"))).toBeLessThan(0.7);
  expect(await opacity(page.getByTestId("open"))).toBeLessThan(0.7);
  expect(await opacity(since)).toBeLessThan(0.7);
  expect(await since.innerText()).toMatch(/^\d\d:\d\d$/);
});

it("says that the server is away instead of an empty workspace", async () => {
  const { page } = await visit(browser, server.url, DESKTOP);
  await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
  await ingest(server.url, [{ kpi: KPI, timestamp: Date.now(), value: 1 }]);
  await page.locator(`[data-series="${KPI}"]`).waitFor();
  await page.goto(`${server.url}/#/kpi/no.such.kpi`);
  await page.getByRole("heading", { name: "No such KPI" }).waitFor();
  await server.kill();
  await page.getByRole("heading", { name: "The server does not answer" }).waitFor();
});

it("fades the polled pages, and says how old their answer is", async () => {
  await ingest(server.url, [{ kpi: KPI, timestamp: Date.now(), value: 1 }]);
  const { page } = await visit(browser, `${server.url}/#/cluster`, DESKTOP);
  await page.getByTestId("workspace").waitFor();
  const detectors = await page.context().newPage();
  await detectors.goto(`${server.url}/#/detectors`);
  await detectors.getByText("Live:").waitFor();
  await server.kill();
  await page.bringToFront();
  await page.getByTestId("age").getByText(/Showing the last answer/).waitFor();
  expect(await opacity(page.getByTestId("workspace"))).toBeLessThan(0.7);
  expect(await page.getByTestId("health").innerText()).not.toContain("✓");
  await detectors.bringToFront();
  await detectors.getByTestId("age").getByText(/Showing the last answer/).waitFor();
  expect(await opacity(detectors.getByText("Live:"))).toBeLessThan(0.7);
});
