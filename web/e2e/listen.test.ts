/** The panel of the sound leaves its button free, so that the sound can be stopped anywhere. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary, spike } from "./ingest.ts";
import { DESKTOP, PHONE } from "./screens.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  server = await startServer();
  browser = await launchBrowser();
  const kpis = Array.from({ length: 30 }, (_, i) => `e2e.listen.a_kpi_with_a_long_name_${i}`);
  await ingest(server.url, kpis.flatMap((kpi) => ordinary(kpi, 40, Date.now())));
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The part of the screen where an element is. */
async function placeOf(page: Page, selector: string) {
  const box = await page.locator(selector).boundingBox();
  if (box === null) {
    throw new Error(`${selector} is not shown`);
  }
  return { left: box.x, top: box.y, right: box.x + box.width, bottom: box.y + box.height };
}

const SIZES: [number, number][] = [[320, 568], [390, 844], [390, 500], [640, 360], [700, 900], [844, 390], [1280, 800]];

it.each(SIZES)("starts and stops at %i by %i pixels", async (width, height) => {
  const screen = width < 900 ? PHONE : DESKTOP;
  const { page, errors } = await visit(browser, server.url, { ...screen, viewport: { width, height } });
  await page.locator("a.card").first().waitFor();
  const sound = page.getByTestId("sound");
  for (const scrolled of [0, 600]) {
    await page.evaluate((top) => scrollTo(0, top), scrolled);
    await page.locator("#listen").click();
    await page.locator("[data-testid=sound][data-state=playing], [data-testid=sound][data-state=mute]").waitFor();
    // The series of this server stall after a while. The panel says so then.
    const nothing = page.getByText("No KPI is audible").or(page.getByTestId("dead-feeds"));
    await page.getByRole("list", { name: "Audible now" }).or(nothing).first().waitFor();
    const [panel, button] = [await placeOf(page, ".listen-panel"), await placeOf(page, "#listen")];
    expect(panel.top, "the panel is below its button").toBeGreaterThanOrEqual(button.bottom);
    expect(panel.left).toBeGreaterThanOrEqual(0);
    expect(panel.right).toBeLessThanOrEqual(width);
    expect(panel.bottom).toBeLessThanOrEqual(height);
    if (scrolled === 0) {
      await shoot(page, `listen-${width}-${height}`);
    }
    await page.locator("#listen").click({ timeout: 10_000 });
    await sound.waitFor({ state: "detached" });
  }
  expect(errors).toEqual([]);
  await page.context().close();
});

it("the panel hides no content, and an incident can be acknowledged under it", async () => {
  const kpis = Array.from({ length: 12 }, (_, i) => `e2e.listen.incident${i}`);
  const now = Date.now();
  await ingest(server.url, kpis.flatMap((kpi) => ordinary(kpi, 400, now - 10_000)));
  await ingest(server.url, kpis.flatMap((kpi) => spike(kpi, 1, now - 9_000)));
  const { page } = await visit(browser, server.url, DESKTOP);
  const incident = page.locator("[data-testid=incident][data-alerted=true]").first();
  await incident.waitFor();
  await page.locator("#listen").click();
  await page.locator("[data-testid=sound][data-state=playing], [data-testid=sound][data-state=mute]").waitFor();
  for (const width of [920, 1060, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    for (const path of ["", "anomalies", `kpi/${kpis[0]}`, "cluster", "detectors", "import"]) {
      await page.goto(`${server.url}/#/${path}`);
      await page.locator("main h1, main .tools").first().waitFor({ state: "attached" });
      expect(await hiddenByPanel(page), `${width} /${path}`).toEqual([]);
      if (width === 1280) {
        await shoot(page, `listen-page-${path.replace(/\W.*/, "")}`);
      }
    }
  }
  await page.goto(`${server.url}/#/`);
  await incident.getByRole("button", { name: /^Acknowledge/ }).click({ timeout: 10_000 });
  await page.locator("[data-testid=incident][data-acknowledged=true]").waitFor();
  await page.context().close();
});

/** Elements that reach into the column of the panel. */
function hiddenByPanel(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const column = document.querySelector(".listen-panel")?.getBoundingClientRect().left ?? 0;
    const content = document.querySelectorAll(".body *, .incidents *, footer *");
    const reaching = [...content].filter((element) => element.getBoundingClientRect().right > column);
    return reaching.map((element) => `${element.tagName} ${element.className}`).slice(0, 5);
  });
}

it("no element above a fixed one has a property that would be its container", async () => {
  const { page } = await visit(browser, server.url, PHONE);
  await page.locator("#listen").click();
  await page.getByTestId("sound").waitFor();
  const traps = await page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.querySelectorAll("*")) {
      if (getComputedStyle(element).position !== "fixed") {
        continue;
      }
      for (let above = element.parentElement; above !== null; above = above.parentElement) {
        const { filter, backdropFilter, transform, perspective, contain, willChange } = getComputedStyle(above);
        const set = [filter, backdropFilter, transform, perspective, contain].filter((value) => value !== "none");
        if (set.length > 0 || willChange !== "auto") {
          found.push(`${element.className} in ${above.className}`);
        }
      }
    }
    return found;
  });
  expect(traps).toEqual([]);
});
