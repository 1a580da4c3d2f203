/** The dashboard in a real browser, with the server at `EARCON_URL` or a server of its own. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser, Locator, Page } from "playwright-core";
import { launchBrowser, shoot, visit } from "./browser.ts";
import { ingest, ordinary, spike } from "./ingest.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

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

/** A KPI name that no other test and no earlier run has used. */
function unusedKpi(name: string): string {
  return `e2e.${name}_${Date.now().toString(36)}`;
}

function card(page: Page, kpi: string): Locator {
  return page.locator(`[data-series="${kpi}"]`);
}

async function attribute(locator: Locator, name: string): Promise<number> {
  return Number(await locator.getAttribute(name));
}

describe("the dashboard", () => {
  it("shows values as they arrive, without a reload", async () => {
    const kpi = unusedKpi("arriving");
    await ingest(url, [{ kpi, timestamp: Date.now() - 5_000, value: 41 }]);
    const { page, errors } = await visit(browser, url);
    await card(page, kpi).locator("[data-testid=value]", { hasText: "41" }).waitFor();
    await ingest(url, [{ kpi, timestamp: Date.now(), value: 1_234 }]);
    await card(page, kpi).locator("[data-testid=value]", { hasText: "1234" }).waitFor();
    await page.locator("[data-testid=connection][data-phase=live]").waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("shows the history after a reload", async () => {
    const kpi = unusedKpi("history");
    await ingest(url, ordinary(kpi, 60, Date.now()));
    const { page } = await visit(browser, url);
    const complete = page.locator(`[data-series="${kpi}"][data-points="60"]`);
    await card(page, kpi).scrollIntoViewIfNeeded();
    await complete.waitFor();
    await page.reload();
    await card(page, kpi).scrollIntoViewIfNeeded();
    await complete.waitFor();
    await card(page, kpi).click();
    await page.locator(`[data-testid=chart][data-points="60"]`).waitFor();
    await page.context().close();
  });

  it("explains an anomaly, takes feedback and mutes the series", async () => {
    const kpi = unusedKpi("feedback");
    const now = Date.now();
    await ingest(url, ordinary(kpi, 120, now - 10_000));
    const { page, errors } = await visit(browser, url);
    await page.locator(`[data-series="${kpi}"][data-state=normal]`).waitFor();
    await ingest(url, spike(kpi, 6, now - 9_000));
    const item = page.locator(`.feed [data-testid=anomaly][data-kpi="${kpi}"]`);
    await item.getByRole("button", { name: `Why ${kpi}` }).click();
    const why = item.locator("[data-testid=why]");
    await item.locator("[data-testid=sentence]", { hasText: "is above the expected range" }).waitFor();
    await why.locator("[data-testid=comparison]", { hasText: /higher than in|no history/ }).waitFor();
    await page.waitForFunction(
      (name) => {
        // The picture is not scaled, so its letters are legible.
        const picture = document.querySelector<HTMLImageElement>(`[data-kpi="${name}"] img`);
        return picture !== null && picture.naturalWidth >= 240 && Math.abs(picture.naturalWidth - picture.clientWidth) <= 3;
      },
      kpi,
    );
    await why.getByRole("button", { name: "False alarm" }).click();
    await why.locator("button[aria-pressed=true]", { hasText: "False alarm" }).waitFor();
    await why.getByRole("combobox").selectOption("2h");
    await why.locator("[data-testid=mute]", { hasText: "muted until" }).waitFor();
    await page.locator(`.feed [data-kpi="${kpi}"][data-muted]`).waitFor();
    await shoot(page, "why");
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("shows a spike as an anomaly that can be acknowledged", async () => {
    const kpi = unusedKpi("spiking");
    const now = Date.now();
    await ingest(url, ordinary(kpi, 120, now - 10_000));
    const { page, errors } = await visit(browser, url);
    await card(page, kpi).scrollIntoViewIfNeeded();
    await page.locator(`[data-series="${kpi}"][data-state=normal]`).waitFor();
    await ingest(url, spike(kpi, 6, now - 9_000));
    const item = page.locator(`.feed [data-testid=anomaly][data-kpi="${kpi}"]`);
    await item.waitFor();
    await page.locator(`[data-series="${kpi}"][data-state=anomalous]`).waitFor();
    expect(await page.title()).toMatch(/^\(\d+\) Earcon$/);
    expect(await item.innerText()).toContain("expected");
    await shoot(page, "anomaly");
    await item.getByRole("button", { name: "Note…" }).click();
    await item.getByLabel("Note").fill("a drill");
    await item.getByLabel("Note").press("Enter");
    await page.locator(`[data-kpi="${kpi}"][data-acknowledged=true]`).waitFor();
    await page.reload();
    await page.locator(`[data-kpi="${kpi}"][data-acknowledged=true]`, { hasText: "a drill" }).waitFor();
    await item.getByRole("link").click();
    await page.locator("[data-testid=chart]").waitFor();
    expect(await attribute(page.locator("[data-testid=chart]"), "data-step")).toBe(0);
    await shoot(page, "anomaly-kpi");
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("plays the mix: packets are received, decoded and played", async () => {
    await ingest(url, ordinary(unusedKpi("sounding"), 40, Date.now()));
    const { page, errors } = await visit(browser, url);
    await page.getByRole("button", { name: "Listen" }).click();
    const sound = page.locator("[data-testid=sound]");
    await page.locator("[data-testid=sound][data-state=playing], [data-testid=sound][data-state=mute]").waitFor();
    await page.waitForFunction(() => {
      const { received, decoded } = document.querySelector<HTMLElement>("[data-testid=sound]")?.dataset ?? {};
      return Number(received) > 100 && Number(decoded) > 100;
    });
    // Without a sound device packets are decoded but not played.
    if ((await sound.getAttribute("data-state")) === "playing") {
      const before = await attribute(sound, "data-played");
      await page.waitForFunction(
        (before) => Number(document.querySelector<HTMLElement>("[data-testid=sound]")?.dataset["played"]) > before + 24_000,
        before,
      );
    }
    await shoot(page, "listening");
    await page.keyboard.press("l");
    await sound.waitFor({ state: "detached" });
    expect(errors).toEqual([]);
    await page.context().close();
  });

  it("changes the settings of the mix for all listeners", async () => {
    const { page } = await visit(browser, url);
    await page.getByRole("button", { name: "Listen" }).click();
    await page.getByRole("button", { name: "Cues only" }).click();
    await page.getByLabel("Voices").selectOption("2");
    await expect.poll(() => mix(), { timeout: 10_000 }).toMatchObject({ mode: "cues", voices: 2 });
    await page.getByRole("button", { name: "Ambient" }).click();
    await page.getByLabel("Voices").selectOption("3");
    await expect.poll(() => mix(), { timeout: 10_000 }).toMatchObject({ mode: "ambient", voices: 3 });
    await page.context().close();
  });

  it("keeps the chosen polarity of the pitch", async () => {
    const kpi = unusedKpi("polarity");
    await ingest(url, [{ kpi, timestamp: Date.now(), value: 1 }]);
    const { page } = await visit(browser, `${url}/#/kpi/${kpi}`);
    const falls = page.getByRole("button", { name: "Pitch rises when the value falls" });
    await falls.click();
    await expect.poll(() => mix(), { timeout: 10_000 }).toMatchObject({ polarity: { [kpi]: "down" } });
    await page.reload();
    await expect.poll(() => falls.getAttribute("aria-pressed"), { timeout: 10_000 }).toBe("true");
    await page.context().close();
  });

  it("can be used with the keyboard alone", async () => {
    const kpi = unusedKpi("keyboard");
    await ingest(url, [kpi, `${kpi}_second`].map((kpi) => ({ kpi, timestamp: Date.now(), value: 1 })));
    const { page } = await visit(browser, url);
    await card(page, kpi).waitFor();
    await page.keyboard.press("Tab");
    await page.getByText("Skip to content").and(page.locator(":focus")).waitFor();
    await page.keyboard.press("/");
    await page.locator("#filter:focus").waitFor();
    await page.keyboard.type(kpi);
    await expect.poll(() => page.locator("a.card").count()).toBe(2);
    await page.keyboard.press("ArrowDown");
    await page.locator(`[data-series="${kpi}"]:focus`).waitFor();
    await page.keyboard.press("ArrowRight");
    await page.locator(`[data-series="${kpi}_second"]:focus`).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.waitForURL((address) => address.hash.startsWith(`#/kpi/${kpi}`));
    await page.locator("h1:focus").waitFor();
    await page.context().close();
  });

  it("requests rollups if the samples do not fit, and zooms by dragging", async () => {
    const kpi = unusedKpi("zooming");
    await ingest(url, ordinary(kpi, 3_000, Date.now()));
    const { page } = await visit(browser, `${url}/#/kpi/${kpi}`);
    await page.locator('[data-testid=chart]:not([data-points="0"])').waitFor();
    await page.getByRole("button", { name: "1 d" }).click();
    await page.locator("[data-testid=chart]:not([data-step='0'])").waitFor();
    await page.getByRole("button", { name: "15 m" }).click();
    await page.locator("[data-testid=chart][data-step='0']").waitFor();
    const plot = await page.locator(".u-over").first().boundingBox();
    if (plot === null) {
      throw new Error("there is no plot");
    }
    await page.mouse.move(plot.x + plot.width * 0.6, plot.y + 50);
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width * 0.8, plot.y + 50, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL((address) => address.hash.includes("from="));
    await page.locator(".u-over").first().dblclick();
    await page.waitForURL((address) => !address.hash.includes("from="));
    await page.context().close();
  });

  it("follows the colour scheme of the system unless a theme is chosen", async () => {
    const { page } = await visit(browser, url, { colorScheme: "dark" });
    const brightness = () =>
      page.evaluate(() => {
        const [red = 0, green = 0, blue = 0] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g)!.map(Number);
        return red + green + blue;
      });
    expect(await brightness()).toBeLessThan(150);
    await page.getByTestId("theme").click();
    await page.getByTestId("theme").click();
    expect(await brightness()).toBeGreaterThan(600);
    await page.reload();
    expect(await brightness()).toBeGreaterThan(600);
    await page.context().close();
  });

  it("fits the screen of a phone", async () => {
    await ingest(url, ordinary(unusedKpi("phone_with_a_rather_long_name"), 60, Date.now()));
    const { page } = await visit(browser, url, { viewport: { width: 380, height: 780 }, deviceScaleFactor: 2 });
    await page.locator("a.card").first().waitFor();
    for (const hash of ["#/", "#/anomalies", (await page.locator("a.card").first().getAttribute("href")) ?? ""]) {
      await page.goto(`${url}/${hash}`);
      await page.waitForTimeout(500);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, hash).toBeLessThanOrEqual(0);
      await shoot(page, `phone-${hash.replace(/\W+/g, "-").slice(0, 12)}`);
    }
    await page.context().close();
  });

  it("reports an unknown KPI", async () => {
    const { page } = await visit(browser, `${url}/#/kpi/no.such.kpi`);
    await page.getByRole("heading", { name: "No such KPI" }).waitFor();
    await page.getByRole("main").getByRole("link", { name: "All KPIs" }).click();
    await page.locator("a.card").first().waitFor();
    await page.context().close();
  });
});

async function mix(): Promise<unknown> {
  return (await fetch(`${url}/api/v1/workspaces/local/mixes/default`)).json();
}
