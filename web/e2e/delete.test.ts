/** Samples and a KPI are deleted on the page of the KPI, and other pages drop them at once. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { Client } from "@earcon/client";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, visit } from "./browser.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

let browser: Browser;
let server: Server;
let client: Client;

beforeAll(async () => {
  server = await startServer();
  browser = await launchBrowser();
  client = new Client({ url: server.url });
  const now = Date.now();
  const samples = Array.from({ length: 60 }, (_, i) => ({ kpi: "shop.orders", timestamp: now - i * 1_000, value: i % 7 }));
  await client.ingest([...samples.reverse(), { kpi: "shop.visits", timestamp: now, value: 3 }]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const card = (page: Page, series: string) => page.locator(`[data-series="${series}"]`);

it("the dialog counts, and a deletion empties the page and the cards", async () => {
  const { page, errors } = await visit(browser, server.url);
  const { page: cards } = await visit(browser, server.url);
  await card(cards, "shop.orders").waitFor();
  await card(page, "shop.orders").click();
  await page.locator("[data-testid=chart]").waitFor();

  await page.getByRole("button", { name: "Delete …" }).click();
  const count = page.getByTestId("delete-count");
  await expect.poll(() => count.textContent(), { timeout: 20_000 }).toContain("60 samples of 1 series");
  const choices = await page.getByRole("dialog").locator("fieldset").innerText();
  expect(choices, "the time is named").toMatch(/Samples in the time shown: .*\d\d:\d\d:\d\d to .*\d\d:\d\d:\d\d/);
  await page.getByRole("button", { name: "Cancel" }).click();
  expect((await client.rows("shop.orders"))[0]?.samples.length).toBe(60);

  await page.getByRole("button", { name: "Delete …" }).click();
  await expect.poll(() => count.textContent(), { timeout: 20_000 }).toContain("60 samples");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await expect.poll(async () => (await client.rows("shop.orders")).length, { timeout: 20_000 }).toBe(0);
  await expect.poll(() => page.locator("[data-testid=now] .value").textContent(), { timeout: 20_000 }).not.toMatch(/\d/);

  await page.getByRole("button", { name: "Delete …" }).click();
  await page.getByLabel("The KPI with everything that belongs to it").check();
  await expect.poll(() => count.textContent(), { timeout: 20_000 }).toContain("0 samples");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await card(page, "shop.visits").waitFor();
  await card(page, "shop.orders").waitFor({ state: "detached" });
  await card(cards, "shop.orders").waitFor({ state: "detached" });
  expect(errors).toEqual([]);
});
