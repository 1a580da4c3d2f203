/** Incidents after their end: on the page of anomalies, and on the pages of their KPIs. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary, spike } from "./ingest.ts";
import { DESKTOP, SCREENS } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

const LINGER = "EARCON_ALERTS__LINGER_SECONDS";
const KPIS = Array.from({ length: 12 }, (_, i) => `shop${i}.orders`);

let browser: Browser;
let server: Server;

beforeAll(async () => {
  process.env[LINGER] = "1";
  server = await startServer();
  browser = await launchBrowser();
});

afterAll(async () => {
  delete process.env[LINGER];
  await browser?.close();
  await server?.close();
});

it("an incident is on the page of its KPI, and in the list of closed ones after its end", async () => {
  const start = Date.now() - 400_000;
  await ingest(server.url, KPIS.flatMap((kpi) => ordinary(kpi, 400, start)));
  const { page, errors } = await visit(browser, `${server.url}/#/anomalies`, DESKTOP);
  const closed = page.getByRole("region", { name: "Closed in the last 24 hours" });
  await closed.getByText("No incident closed in the last 24 hours.").waitFor();
  await ingest(server.url, KPIS.flatMap((kpi) => spike(kpi, 61, start + 1_000)));
  await page.locator("[data-testid=incident]").waitFor();

  const other = (await visit(browser, `${server.url}/#/kpi/${KPIS[3]}?last=3600000`, DESKTOP)).page;
  const line = other.getByTestId("kpi-incident");
  await line.getByText("Open incident").waitFor();
  expect(await line.innerText()).toMatch(/with 11 other series since \d\d:\d\d/);
  await shoot(other, "kpi-incident-open");
  await line.getByRole("link").click();
  await other.locator("[data-testid=incident].is-selected .members > li").first().waitFor();
  expect(await other.locator("[data-testid=incident].is-selected .members > li").count()).toBe(12);

  // The wave goes on where it was. After a while the series are normal again.
  await ingest(server.url, KPIS.flatMap((kpi) => ordinary(kpi, 330, start + 392_000)));
  const item = closed.getByTestId("closed-incident");
  await item.waitFor();
  expect(await item.innerText()).toMatch(/with 11 other series[^]*\d\d:\d\d, for 1 min, closed .*\d\d:\d\d[^]*(info|warning|critical), (alerted|suppressed)[^]*12 series/);
  expect(await page.locator(".feed [data-testid=anomaly][data-state=closed]").first().innerText()).toContain("for 1 min");
  await other.goBack();
  await line.getByText("Closed incident").waitFor();
  expect(await line.innerText()).toContain("for 1 min");
  await shoot(other, "kpi-incident-closed");
  expect(errors).toEqual([]);
});

it.each(SCREENS)("closed incidents have links to their series, and can be linked to: %s", async (name, screen) => {
  const { page } = await visit(browser, `${server.url}/#/anomalies`, screen);
  const item = page.getByTestId("closed-incident");
  await item.waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  const id = await item.getAttribute("data-incident");
  const { page: linked } = await visit(browser, `${server.url}/#/anomalies?incident=${id}`, screen);
  await linked.locator("[data-testid=closed-incident].is-selected .members > li").nth(11).waitFor({ state: "visible" });
  await shoot(linked, `closed-incidents-${name}`);
  await item.locator(".title").getByRole("link").click();
  await page.waitForURL((address) => /#\/kpi\/shop\d+\.orders\?.*from=\d+&to=\d+/.test(address.hash));
  await page.locator("[data-testid=chart]:not([data-points='0'])").waitFor();
});
