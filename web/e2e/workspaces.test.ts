/** Pages of unknown workspaces, and what a link to a KPI shows. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser } from "playwright-core";
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

const send = (samples: unknown[]) =>
  fetch(`${server.url}/api/v1/workspaces/local/kpis/ingest`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ samples }),
  });

it.each(SCREENS)("the page of an unknown workspace says so, and creates it: %s", async (name, screen) => {
  const { page, errors } = await visit(browser, `${server.url}/#/?workspace=lab-${name}`, screen);
  await page.getByRole("heading", { name: "No such workspace" }).waitFor();
  expect(await page.getByTestId("connection").innerText()).toContain("Unknown");
  expect(await page.getByText("No KPIs yet").count()).toBe(0);
  const options = () => page.getByLabel("Workspace", { exact: true }).locator("option").allTextContents();
  expect(await options(), "there is nothing to delete").not.toContain("Delete this workspace…");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await shoot(page, `no-such-workspace-${name}`);
  await page.getByRole("button", { name: `Create lab-${name}` }).click();
  await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
  expect(errors).toEqual([]);
  await page.context().close();
});

it.each(SCREENS)("a new workspace is named in a dialog: %s", async (name, screen) => {
  const { page, errors } = await visit(browser, `${server.url}/#/?workspace=local`, screen);
  const chosen = page.getByLabel("Workspace", { exact: true });
  await chosen.locator("option", { hasText: "New workspace…" }).waitFor({ state: "attached" });
  await chosen.selectOption("New workspace…");
  const dialog = page.getByRole("dialog", { name: "New workspace" });
  const create = dialog.getByRole("button", { name: "Create" });
  expect(await create.isDisabled()).toBe(true);
  await dialog.getByRole("textbox").fill("Not a name");
  await create.click();
  await dialog.getByRole("alert").waitFor();
  await shoot(page, `new-workspace-${name}`);
  await dialog.getByRole("textbox").fill(` new-${name} `);
  await create.click();
  await dialog.waitFor({ state: "detached" });
  await expect.poll(() => chosen.inputValue(), { timeout: 20_000 }).toBe(`new-${name}`);
  await page.getByRole("heading", { name: "No KPIs yet" }).waitFor();
  expect(errors.filter((error) => !error.includes("400"))).toEqual([]);
  await page.context().close();
});

it("does not offer to create a workspace where that is not permitted", async () => {
  const { page } = await visit(browser, "about:blank");
  await page.route("**/api/v1/workspaces", async (route) => {
    const answer = (await (await route.fetch()).json()) as object;
    await route.fulfill({ json: { ...answer, may_create: false } });
  });
  await page.goto(`${server.url}/#/?workspace=elsewhere`);
  await page.getByRole("heading", { name: "No such workspace" }).waitFor();
  await page.getByText("workspaces.names").waitFor();
  expect(await page.getByRole("button", { name: /Create/ }).count()).toBe(0);
  expect(await page.getByLabel("Workspace", { exact: true }).innerText()).not.toContain("New workspace");
  await page.goto(`${server.url}/#/?workspace=local`);
  await page.getByText("No such workspace").waitFor({ state: "detached" });
  expect(await page.getByLabel("Workspace", { exact: true }).innerText()).not.toContain("Delete this workspace");
});

it.each(SCREENS)("a link to a KPI shows its unit on the axis, and all samples of its anomaly: %s", async (name, screen) => {
  const kpi = `axis.${name}`;
  const begin = Date.now() - 410_000;
  const row = (i: number, value: number) => ({ kpi, timestamp: begin + i * 1_000, value, unit: "By/s" });
  const noise = (i: number) => 1e6 * (100 + ((i * 7_919) % 13) / 10);
  await send(Array.from({ length: 400 }, (_, i) => row(i, noise(i))));
  await send(Array.from({ length: 3 }, (_, i) => row(400 + i, 9e9)));
  const { page } = await visit(browser, "about:blank", screen);
  await page.addInitScript(() => {
    const drawn: string[] = [];
    Object.assign(window, { drawn });
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text: string, ...rest: [number, number]) {
      drawn.push(text);
      draw.call(this, text, ...rest);
    };
  });
  await page.goto(`${server.url}/#/kpi/${kpi}?workspace=local`);
  await page.locator('[data-testid=chart]:not([data-points="0"])').waitFor();
  const axis = () => page.evaluate(() => (window as unknown as { drawn: string[] }).drawn.join(" "));
  await expect.poll(axis, { timeout: 20_000 }).toMatch(/GB\/s/);
  await page.getByRole("button", { name: `Why ${kpi}` }).click();
  const sentence = page.getByTestId("sentence");
  await expect.poll(() => sentence.innerText(), { timeout: 20_000 }).toMatch(/9 GB\/s where .* \(3 anomalous samples\)/);
  await send(Array.from({ length: 4 }, (_, i) => row(403 + i, 9.1e9 + i)));
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, `kpi-unit-${name}`);
  await sentence.scrollIntoViewIfNeeded();
  await shoot(page, `kpi-why-${name}`);
  const anomaly = (await (await fetch(`${server.url}/api/v1/workspaces/local/anomalies?kpi=${kpi}`)).json()) as {
    anomalies: { samples: number; last_at: number; unit: string }[];
  };
  expect(anomaly.anomalies[0]).toMatchObject({ samples: 7, last_at: begin + 406_000, unit: "By/s" });
  await page.context().close();
});

it("hints at a counter that is sent as a gauge", async () => {
  const begin = Date.now() - 300 * 60_000;
  // It begins again after 200 minutes.
  const value = (i: number) => ((i + 300) % 500) * 3 + (i % 2);
  await send(Array.from({ length: 300 }, (_, i) => ({ kpi: "jobs", timestamp: begin + i * 60_000, value: value(i) })));
  const { page } = await visit(browser, `${server.url}/#/kpi/jobs?workspace=local`);
  await page.getByTestId("counter-hint").waitFor();
  await page.getByRole("button", { name: "Add the rule" }).click();
  await page.getByText("The rule is set.").waitFor();
  const rules = (await (await fetch(`${server.url}/api/v1/workspaces/local/ingest/rules`)).json()) as {
    document: { rules: unknown[] };
  };
  expect(rules.document.rules).toContainEqual({ name: "jobs", reading: "counter" });
  await page.context().close();
});
