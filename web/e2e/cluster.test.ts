/**
 * The cluster page. The responses are faked here, so that one server can show the states of three
 * nodes.
 */

import { afterAll, beforeAll, beforeEach, afterEach, expect, it } from "vitest";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import { launchBrowser, shoot, visit, type Visit } from "./browser.ts";
import { ingest } from "./ingest.ts";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

/** Enough for a few polls on a slow machine. */
const SOON = { timeout: 20_000 };
const NOTHING = { seq: null, kpis: null, parked: null, history_lag: null };

let browser: Browser;
let server: Server | null = null;
let url: string;
let answer: Cluster | number;
let requests = 0;
let visits: Visit[] = [];

beforeAll(async () => {
  const given = process.env["EARCON_URL"];
  server = given === undefined ? await startServer() : null;
  url = (given ?? server?.url ?? "").replace(/\/$/, "");
  browser = await launchBrowser();
  await ingest(url, [{ kpi: "e2e.cluster", timestamp: Date.now(), value: 1 }]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(() => {
  answer = healthy();
  requests = 0;
  visits = [];
});

afterEach(async () => {
  for (const { page, errors } of visits) {
    expect(errors).toEqual([]);
    await page.context().close();
  }
});

function node(name: string, change: Partial<ClusterNode> = {}): ClusterNode {
  const started = new Date(Date.now() - 5.5 * 3_600_000).toISOString();
  return { node: name, state: "alive", silent_ms: 120, version: "0.1.0", started, clock_ms: 3, workspaces: 4, ...change };
}

function workspace(name: string, owner: string | null, change: Partial<ClusterWorkspace> = {}): ClusterWorkspace {
  return { workspace: name, owner, seq: 1_204_711, kpis: 22, parked: 0, history_lag: 12, ...change };
}

function healthy(): Cluster {
  const names = "billing checkout fulfilment identity local mobile payments pricing returns search shipping wholesale".split(" ");
  const workspaces = names.map((name, i) => workspace(name, `earcon-${(i % 3) + 1}`, { history_lag: i * 7 }));
  return { enabled: true, node: "earcon-1", nodes: [1, 2, 3].map((i) => node(`earcon-${i}`)), workspaces };
}

/** One node is silent, one is leaving, one has a wrong clock. */
function troubled(): Cluster {
  const well = healthy();
  const nodes = [
    node("earcon-1", { workspaces: 6 }),
    node("earcon-2", { state: "silent", silent_ms: 8_400, workspaces: 2 }),
    node("earcon-3", { state: "leaving", clock_ms: -12_500, workspaces: 2 }),
  ];
  const workspaces = well.workspaces.map((each, i) => {
    const changes: Record<number, Partial<ClusterWorkspace>> = {
      1: { owner: null, ...NOTHING },
      4: { ...NOTHING },
      6: { parked: 2, history_lag: 48_211 },
      7: { owner: null, ...NOTHING },
    };
    return { ...each, ...changes[i] };
  });
  return { ...well, nodes, workspaces };
}

async function open(hash = "#/cluster", options: BrowserContextOptions = {}): Promise<Page> {
  const seen = await visit(browser, "about:blank", options);
  visits.push(seen);
  await seen.page.route("**/api/v1/cluster", async (route) => {
    requests += 1;
    if (typeof answer === "number") {
      const contentType = "application/problem+json";
      await route.fulfill({ status: answer, contentType, body: JSON.stringify({ title: "Not now", status: answer }) });
    } else {
      await route.fulfill({ json: answer });
    }
  });
  await seen.page.goto(`${url}/${hash}`);
  return seen.page;
}

const healthOf = (page: Page) => page.getByTestId("health");

it("shows the owners of workspaces, and is reached with the keyboard", async () => {
  const page = await open("#/");
  const link = page.getByRole("navigation").getByRole("link", { name: "Cluster" });
  expect(await link.getAttribute("aria-current")).toBeNull();
  expect(requests).toBe(0);
  for (let i = 0; i < 20 && !(await link.evaluate((element) => element === document.activeElement)); i += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await healthOf(page).getByText("3 nodes, 12 workspaces, all owned").waitFor();
  expect(await link.getAttribute("aria-current")).toBe("page");
  expect(await page.getByTestId("node").count()).toBe(3);
  const text = await page.locator("[data-node=earcon-2]").innerText();
  expect(text).toContain("alive");
  expect(text).toContain("5 h");
  expect(text).toContain("0.1.0");
  expect(text).not.toContain("clock");
  expect(await page.getByRole("row").count()).toBe(13);
  await shoot(page, "cluster-light");
});

it("follows changes, and names the problems", async () => {
  const page = await open();
  await healthOf(page).getByText("all owned").waitFor();
  answer = troubled();
  await healthOf(page).getByText("earcon-2 has been silent for 8 s; its workspaces are moving").waitFor();
  await page.locator("[data-node=earcon-2][data-state=silent]", { hasText: "silent for 8 s" }).waitFor();
  await page.locator("[data-node=earcon-3][data-state=leaving]", { hasText: "its clock is 12 s behind" }).waitFor();
  await page.locator("[data-workspace=checkout]", { hasText: "no owner" }).waitFor();
  await page.locator("[data-workspace=local]", { hasText: "no answer" }).waitFor();
  await page.locator("[data-workspace=payments]", { hasText: "2 KPIs" }).waitFor();
  await page.getByRole("button", { name: "By lag" }).click();
  await page.mouse.move(5, 5);
  await expect.poll(() => page.getByTestId("workspace").nth(3).getAttribute("data-workspace"), SOON).toBe("payments");
  await shoot(page, "cluster-trouble");
});

it("keeps the order of rows under the pointer", async () => {
  const page = await open();
  await page.getByRole("button", { name: "By lag" }).click();
  const first = page.getByTestId("workspace").first();
  await expect.poll(() => first.getAttribute("data-workspace"), SOON).toBe("wholesale");
  await first.hover();
  const next = healthy();
  next.workspaces = next.workspaces.map((each) => (each.workspace === "local" ? { ...each, history_lag: 900 } : each));
  answer = next;
  await page.locator("[data-workspace=local]", { hasText: "900 events" }).waitFor();
  expect(await first.getAttribute("data-workspace")).toBe("wholesale");
  await page.mouse.move(5, 5);
  await expect.poll(() => first.getAttribute("data-workspace"), SOON).toBe("local");
});

it("keeps the last answer if there is no new one, and says how old it is", async () => {
  const page = await open();
  await healthOf(page).getByText("all owned").waitFor();
  answer = 503;
  const age = page.getByTestId("age");
  await age.getByText("The server says: Not now").waitFor();
  expect(await age.innerText()).toMatch(/Showing the last answer\s*, \d+ s old/);
  await page.locator("[data-testid=health][data-state=outdated]").waitFor();
  expect(await page.getByTestId("node").count()).toBe(3);
  await shoot(page, "cluster-outdated");
  answer = healthy();
  await age.waitFor({ state: "detached" });
  await page.locator("[data-testid=health][data-state=healthy]").waitFor();
});

it("reports a missing status before the first answer", async () => {
  answer = 500;
  const page = await open();
  await page.getByRole("heading", { name: "The cluster status is not available" }).waitFor();
  answer = healthy();
  await healthOf(page).waitFor();
});

it("polls only while it is shown and visible", async () => {
  const page = await open();
  await expect.poll(() => requests, SOON).toBeGreaterThanOrEqual(2);
  const see = (state: string) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await see("hidden");
  await page.waitForTimeout(200);
  const hidden = requests;
  await page.waitForTimeout(5_000);
  expect(requests).toBe(hidden);
  await see("visible");
  await expect.poll(() => requests, SOON).toBeGreaterThan(hidden);
  await page.getByRole("navigation").getByRole("link", { name: "KPIs" }).click();
  await page.locator("a.card").first().waitFor();
  const left = requests;
  await page.waitForTimeout(5_000);
  expect(requests).toBe(left);
});

it("selects a workspace by its link", async () => {
  answer = { ...healthy(), workspaces: [workspace("local", "earcon-1"), workspace("young one", "earcon-2")] };
  const page = await open();
  await page.getByRole("link", { name: "young one" }).click();
  await page.waitForURL((address) => address.hash === "#/?workspace=young+one");
  await expect.poll(() => page.getByLabel("Workspace", { exact: true }).inputValue(), SOON).toBe("young one");
  await page.getByRole("heading", { name: "No such workspace" }).waitFor();
  for (const width of [360, 641, 768, 901]) {
    await page.setViewportSize({ width, height: 740 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow, `the header at ${width}`).toBeLessThanOrEqual(0);
  }
  await page.getByRole("navigation").getByRole("link", { name: "Cluster" }).click();
  await page.locator("[data-workspace='young one']", { hasText: "selected" }).waitFor();
  await page.goBack();
  await page.goBack();
  // The address of the first visit names the workspace of that time.
  await page.locator("[data-workspace=local]", { hasText: "selected" }).waitFor();
  await page.getByRole("link", { name: "local" }).click();
  await page.locator("a.card").first().waitFor();
});

it("shows a single node", async () => {
  const workspaces = [workspace("local", "earcon", { history_lag: 0 })];
  answer = { enabled: false, node: "earcon", nodes: [node("earcon", { workspaces: 1 })], workspaces };
  const page = await open("#/cluster", { colorScheme: "dark" });
  await healthOf(page).getByText("Single node: 1 workspace").waitFor();
  expect(await page.getByTestId("workspace").count()).toBe(1);
  await shoot(page, "cluster-single-dark");
});

it("fits the screen of a small phone, light and dark", async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    answer = troubled();
    answer.nodes.push(node("a-node-with-quite-a-long-name.eu-central-1.internal.example.com"));
    answer.workspaces.push(workspace("a_workspace_with_a_name_that_is_rather_too_long_for_a_phone", "earcon-1"));
    const page = await open("#/cluster", { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme });
    await healthOf(page).waitFor();
    // No element is wider than its container. The room for a scroll bar does not count.
    const outside = await page.evaluate(() => {
      const edge = document.querySelector("main")!.getBoundingClientRect().right;
      return [...document.querySelectorAll("main *:not(thead, thead *)")]
        .filter((each) => each.getBoundingClientRect().right > edge + 0.5 || each.scrollWidth > each.clientWidth + 1)
        .filter((each) => getComputedStyle(each).display !== "inline")
        .map((each) => each.outerHTML);
    });
    expect(outside, colorScheme).toEqual([]);
    await shoot(page, `cluster-phone-${colorScheme}`);
    await page.locator("[data-workspace=checkout]").scrollIntoViewIfNeeded();
    await page.locator("[data-workspace=payments]").scrollIntoViewIfNeeded();
    await shoot(page, `cluster-phone-${colorScheme}-workspaces`);
  }
});

it("shows the response of a real server", async () => {
  const seen = await visit(browser, `${url}/#/cluster`);
  visits.push(seen);
  await seen.page.locator("[data-testid=health]:not([data-state=outdated])").waitFor();
  const local = seen.page.locator("[data-workspace=local]");
  await local.waitFor();
  expect(await local.innerText()).not.toMatch(/undefined|NaN/);
});

it("has a dark theme", async () => {
  answer = troubled();
  const page = await open("#/cluster", { colorScheme: "dark" });
  await healthOf(page).waitFor();
  await shoot(page, "cluster-dark");
});
