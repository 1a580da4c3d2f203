/** Incidents in a real browser: KPIs with anomalies at the same time form one incident. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary, spike } from "./ingest.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  // A separate server, because other tests may have used up the alerts of the day.
  server = await startServer();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

describe("the incidents", () => {
  it("are shown first, and acknowledging one acknowledges its members", async () => {
    const now = Date.now();
    const kpis = Array.from({ length: 12 }, (_, i) => `shop${i}.orders`);
    for (const kpi of kpis) {
      await ingest(server.url, ordinary(kpi, 400, now - 10_000));
    }
    const { page, errors } = await visit(browser, server.url);
    await page.getByText("No open incident has alerted.").waitFor();
    await ingest(server.url, kpis.flatMap((kpi) => spike(kpi, 1, now - 9_000)));
    const incident = page.locator("[data-testid=incident][data-alerted=true]");
    await incident.waitFor();
    expect(await incident.locator(".title").innerText()).toMatch(/^shop\d+\.orders is (higher|lower) than expected, with 11 other series$/);
    expect(await page.locator("[data-testid=incidents-open]").innerText()).toBe("1 open");
    await incident.locator("summary").click();
    expect(await incident.locator(".members > li").count()).toBe(12);
    await shoot(page, "incident");
    await incident.getByRole("button", { name: /^Acknowledge/ }).click();
    await page.locator("[data-testid=incident][data-acknowledged=true]").waitFor();
    await page.locator(`.feed [data-testid=anomaly][data-acknowledged=true] >> nth=11`).waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });
});
