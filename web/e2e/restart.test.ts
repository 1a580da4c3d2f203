/** The page while its server restarts, and without any data. Each test starts its own server. */

import { afterEach, beforeEach, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary } from "./ingest.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

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

it("loses no point when the server is killed and restarted", async () => {
  const kpi = "e2e.restart";
  const start = Date.now() - 200_000;
  const samples = ordinary(kpi, 150, start + 149_000);
  await ingest(server.url, samples.slice(0, 50));
  const { page, errors } = await visit(browser, server.url);
  const points = (count: number) => page.locator(`[data-series="${kpi}"][data-points="${count}"]`);
  await points(50).waitFor();
  await ingest(server.url, samples.slice(50, 90));
  await points(90).waitFor();

  await server.kill();
  await page.locator("[data-testid=connection]:not([data-phase=live])").waitFor();
  await shoot(page, "reconnecting");
  await server.restart();
  // The page may still be disconnected now, so these samples must arrive when it resumes.
  await ingest(server.url, samples.slice(90, 130));
  await page.locator("[data-testid=connection][data-phase=live]").waitFor();
  await points(130).waitFor();
  await ingest(server.url, samples.slice(130));
  await points(150).waitFor();

  await page.locator(`[data-series="${kpi}"]`).click();
  await page.locator('[data-testid=chart][data-points="150"]').waitFor();
  expect(errors).toEqual([]);
});

it("explains how to send the first sample, and shows it when it arrives", async () => {
  const { page, errors } = await visit(browser, server.url);
  await page.getByText("curl").waitFor();
  await page.locator(".feed").getByText("No anomalies yet").waitFor();
  await shoot(page, "empty");
  await ingest(server.url, [{ kpi: "e2e.first", timestamp: Date.now(), value: 7 }]);
  await page.locator('[data-series="e2e.first"] [data-testid=value]', { hasText: "7" }).waitFor();
  expect(errors).toEqual([]);
});

it("draws only visible cards of five hundred series", async () => {
  const kpis = Array.from({ length: 500 }, (_, i) => `load.group_${i % 20}.kpi_${i}`);
  const round = (at: number) => kpis.map((kpi, i) => ({ kpi, timestamp: at, value: i + (at % 7_000) / 1_000 }));
  const start = Date.now() - 60_000;
  await ingest(server.url, round(start));
  const { page } = await visit(browser, server.url);
  await expect.poll(() => page.locator("a.card").count(), { timeout: 20_000 }).toBe(500);
  await ingest(server.url, round(start + 1_000));
  const last = page.locator(`[data-series="${kpis[0]}"][data-last="${start + 1_000}"]`);
  await last.waitFor();
  // Cards outside the screen are not drawn.
  expect(await page.locator("canvas.spark").count()).toBeLessThan(150);
  await page.locator("a.card").last().scrollIntoViewIfNeeded();
  await page.locator("a.card").last().locator("canvas.spark").waitFor();
  await shoot(page, "five-hundred");
});
