/**
 * The detectors page with a real server: an experiment, its promotion and rollback, and a training
 * job.
 */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest } from "./ingest.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

const SOON = { timeout: 30_000 };
/** With this policy an experiment changes its stage only by an action of a person. */
const MANUAL = {
  limits: { alerts_per_10k: 10_000, cost_ratio: 10_000, p99_us: 1_000_000 },
  shares: [50, 100],
  stage_seconds: 7_776_000,
  stage_samples: 1,
};

let browser: Browser;
let server: Server | null = null;
let url: string;

beforeAll(async () => {
  const given = process.env["EARCON_URL"];
  server = given === undefined ? await startServer() : null;
  url = (given ?? server?.url ?? "").replace(/\/$/, "");
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function send(method: string, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${url}/api/v1/workspaces/local${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.ok, `${path}: ${await answer.text()}`).toBe(true);
}

function samples(from: number, to: number) {
  const start = Date.now() - 600_000;
  return Array.from({ length: to - from }, (_, i) => ({
    kpi: `e2e.lab.${i % 4}`,
    timestamp: start + (from + i) * 100,
    value: 10 + ((i * 7_919) % 101) / 50,
  }));
}

it("shows an experiment and performs the actions on it", async () => {
  await ingest(url, samples(0, 800));
  await send("PUT", "/detectors/calm", { detector: "season-reach-1", options: { sensitivity: 0.5 } });
  await send("POST", "/experiments", { name: "calmer", candidate: "calm", policy: MANUAL });
  const { page, errors } = await visit(browser, `${url}/#/`);
  await page.getByRole("navigation").getByRole("link", { name: "Detectors" }).click();
  const panel = page.getByTestId("experiment");
  await panel.getByRole("status").getByText("In shadow").waitFor();

  // The candidate has scored no samples yet, so promoting is refused with a reason.
  await panel.getByRole("button", { name: "Promote" }).click();
  await page.getByRole("alert").getByText("samples it has to see first").waitFor(SOON);
  await expect
    .poll(async () => {
      await ingest(url, samples(800, 1_600));
      return panel.getByRole("row", { name: /^Samples/ }).innerText();
    }, SOON)
    .toMatch(/[1-9]/);
  await send("POST", "/jobs", { kind: "train", entry: "calm@1", from: 0 });
  await page.getByTestId("job").getByText("Done").waitFor(SOON);

  await panel.getByRole("button", { name: "Promote" }).click();
  await panel.getByText("Live for 50 % of the KPIs").waitFor(SOON);
  await page.mouse.move(5, 5);
  await shoot(page, "detectors");
  await panel.getByRole("button", { name: "Roll back" }).click();
  await page.locator("[data-testid=experiment][data-stage=rolled_back]").waitFor(SOON);
  await expect.poll(() => panel.getByRole("button").count(), SOON).toBe(0);

  // Starts the next experiment from the page.
  await page.getByRole("button", { name: "Try out calm@1" }).click();
  await panel.getByText("calm-1", { exact: false }).first().waitFor(SOON);
  await panel.getByRole("status").getByText("In shadow").waitFor(SOON);
  await page.setViewportSize({ width: 390, height: 800 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await shoot(page, "detectors-narrow");
  expect(errors).toEqual([]);
  await page.context().close();
});
