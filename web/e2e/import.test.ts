/** The import of a file: how it is read, what the file leaves open, and the import itself. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { DESKTOP, PHONE, SCREENS } from "./screens.ts";
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

const choose = (page: Page, name: string, text: string) =>
  page.locator("input[type=file]").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(text) });

const kpis = async () => (await (await fetch(`${server.url}/api/v1/workspaces/local/kpis`)).text()).match(/"kpi":"[^"]+"/g) ?? [];

it.each(SCREENS)("the field for a file is inside its box: %s", async (_, screen) => {
  const { page } = await visit(browser, `${server.url}/#/import`, screen);
  const [box, input] = [await page.locator(".drop").boundingBox(), await page.locator(".drop input").boundingBox()];
  expect(input!.x).toBeGreaterThan(box!.x);
  expect(input!.x + input!.width).toBeLessThan(box!.x + box!.width);
  await page.context().close();
});

it.each(SCREENS)("a file is shown as it is read, and cancelled: %s", async (name, screen) => {
  const { page, errors } = await visit(browser, `${server.url}/#/import`, screen);
  await choose(page, `${name}.csv`, "date;sales;shop\n2026-01-02 10:00;1,5;x\nnoon;2,5;x\n2026-01-02 11:00;2,5;y\n");
  const preview = page.getByTestId("preview");
  await preview.getByTestId("columns").getByText("KPI sales").waitFor();
  expect(await preview.getByTestId("first-samples").innerText()).toContain("2026-01-02 10:00:00 UTC");
  expect(await preview.locator(".facts").innerText()).toMatch(/semicolon[^]*1,5 \(comma\)[^]*UTC/);
  expect(await preview.getByTestId("skipped").innerText()).toContain("noon");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await shoot(page, `import-${name}`);
  await preview.getByRole("button", { name: "Cancel" }).click();
  await page.locator(".drop").waitFor();
  expect(await kpis()).not.toContain('"kpi":"sales"');
  expect(errors).toEqual([]);
  await page.context().close();
});

it.each(SCREENS)("samples that would be refused are counted and named before the import: %s", async (name, screen) => {
  const { page } = await visit(browser, `${server.url}/#/import`, screen);
  const old = "time,sales\n2015-01-01 10:00,1\n2099-01-01 10:00,2\n";
  await choose(page, "old.csv", `${old}${new Date().toISOString()},3\n`);
  const refused = page.getByTestId("preview").getByTestId("refused");
  await refused.waitFor();
  expect(await refused.innerText()).toMatch(/2 samples of the first hundred rows[^]*2015-01-01[^]*ahead of the server/);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  await refused.scrollIntoViewIfNeeded();
  await shoot(page, `import-refused-${name}`);
  await page.context().close();

  const { page: again } = await visit(browser, `${server.url}/#/import`, screen);
  await choose(again, "older.csv", old);
  await again.getByText(/cannot be imported as it is: no sample of the file would be accepted: sales at 2015-01-01/).waitFor();
  await again.context().close();
});

it.each([
  ["desktop", DESKTOP],
  ["phone", PHONE],
])("what a file leaves open is asked for, then it is imported: %s", async (name, screen) => {
  const { page } = await visit(browser, `${server.url}/#/import`, screen);
  const kpi = `open.${name}`;
  await choose(page, "open.csv", 'date,visits\n01/02/2026 10:00,"1,234"\n02/02/2026 10:00,"2,345"\n');
  const preview = page.getByTestId("preview");
  const refused = preview.getByRole("alert");
  await refused.getByText(/day first or month first.*Choose it below/).waitFor();
  expect(await preview.getByRole("button", { name: "Import" }).isDisabled()).toBe(true);
  await shoot(page, `import-open-${name}`);
  await preview.getByLabel("Times are written").selectOption("day_first");
  await refused.getByText(/may be a fraction or thousands.*Choose it below/).waitFor();
  await preview.getByLabel("Decimal sign").selectOption("comma");
  await preview.getByLabel("Time zone").selectOption("Europe/Berlin");
  await preview.getByLabel("KPI").fill(kpi);
  // Berlin is an hour ahead of UTC in February.
  await preview.getByTestId("first-samples").getByText("2026-02-01 09:00:00 UTC").waitFor();
  await preview.getByTestId("columns").getByText(`KPI ${kpi}`).waitFor();
  await preview.getByRole("button", { name: "Import" }).click();
  await page.getByText("2 samples accepted").waitFor();
  expect(await kpis()).toContain(`"kpi":"${kpi}"`);
  await page.context().close();
});
