/** The chart of a KPI: its band over hours, what is shaded over days, a range without samples. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, spike } from "./ingest.ts";
import { SCREENS } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

const HOUR = 3_600_000;

let browser: Browser;
let server: Server;

/** Samples `interval` milliseconds apart, the last one at `end`. */
function samples(kpi: string, count: number, interval: number, end: number) {
  return Array.from({ length: count }, (_, i) => ({
    kpi,
    timestamp: end - (count - 1 - i) * interval,
    value: 100 + (((i * 7_919) % 101) - 50) / 10,
  }));
}

beforeAll(async () => {
  server = await startServer();
  browser = await launchBrowser();
  const now = Date.now();
  await ingest(server.url, samples("e2e.minutes", 480, 60_000, now - 60_000));
  await ingest(server.url, samples("e2e.dense", 3_000, 10_000, now - 10_000));
  await ingest(server.url, [...samples("e2e.silent", 400, 1_000, now - 2 * HOUR), ...spike("e2e.silent", 2, now - 2 * HOUR + 1_000)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const chart = "[data-testid=chart]";

it.each(SCREENS)("has a band over hours, if its samples fit: %s", async (name, screen) => {
  const { page, errors } = await visit(browser, `${server.url}/#/kpi/e2e.minutes?last=${9 * HOUR}`, screen);
  await page.locator(`${chart}[data-points="480"][data-step="0"]`).waitFor();
  expect(await page.getByTestId("shade-note").count()).toBe(0);
  await page.waitForTimeout(500);
  await shoot(page, `chart-9h-${name}`);
  for (const range of ["6 h", "1 d"]) {
    await page.getByRole("button", { name: range }).click();
    const expected = range === "1 d" ? [480] : [359, 360];
    await expect.poll(() => page.locator(chart).getAttribute("data-points").then(Number)).toBeOneOf(expected);
    expect(await page.locator(chart).getAttribute("data-step")).toBe("0");
  }
  expect(errors).toEqual([]);
  await page.context().close();
});

it.each(SCREENS)("says what is shaded, if its samples do not fit: %s", async (name, screen) => {
  const { page } = await visit(browser, `${server.url}/#/kpi/e2e.dense?last=${9 * HOUR}`, screen);
  await page.getByText("The band of expected values shows at shorter ranges.").waitFor();
  expect(Number(await page.locator(chart).getAttribute("data-step"))).toBeGreaterThan(1_000);
  await shoot(page, `chart-dense-${name}`);
  await page.getByRole("button", { name: "1 h" }).click();
  await page.getByTestId("shade-note").waitFor({ state: "detached" });
  await page.context().close();
});

it.each(SCREENS)("says that a range has no samples, and invents no axis: %s", async (name, screen) => {
  const { page } = await visit(browser, `${server.url}/#/kpi/e2e.silent`, screen);
  await page.getByText(/No samples in this range\. The newest is from /).waitFor();
  expect(await page.locator(".chart .uplot").first().isVisible()).toBe(false);
  await shoot(page, `chart-empty-${name}`);
  await page.getByRole("button", { name: "6 h" }).click();
  await page.locator(".chart .uplot").first().waitFor({ state: "visible" });
  expect(await page.getByText("No samples in this range").count()).toBe(0);
  // It sends no more samples, which ends its anomaly.
  await page.locator(".kpi-anomalies [data-testid=anomaly][data-state=closed]").getByText("it is over because its series stalled").waitFor();
  await page.context().close();
});
