/** A server with accounts: its first owner, further members, and their browsers. */

import { createHmac } from "node:crypto";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { startServer, type Server } from "../../clients/typescript/test/server.ts";

export const PASSWORD = "seven green boats sail";

export interface Owned {
  server: Server;
  /** A browser in which the first owner is signed in. */
  owner: Member;
}

/** One person with a browser of their own, signed in. */
export interface Member {
  context: BrowserContext;
  login: string;
  csrf: string;
}

export interface Grant {
  role: string;
  workspaces: string[] | null;
}

export function startAccounts(): Promise<Server> {
  return startServer("serve", { EARCON_ACCOUNTS__REQUIRED: "true" });
}

/** The secret of the link that a new server prints. */
export async function ownerSecret(server: Server): Promise<string> {
  for (let i = 0; i < 100; i += 1) {
    const secret = /#\/claim\/(eo_\w+)/.exec(server.printed())?.[1];
    if (secret !== undefined) {
      return secret;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the server printed no link for its owner:\n${server.printed()}`);
}

/** Starts a server that has an owner, `olga`. */
export async function startOwned(browser: Browser): Promise<Owned> {
  const server = await startAccounts();
  const owner = await claim(browser, server, await ownerSecret(server), "olga");
  return { server, owner };
}

/** Makes an account with a link, in a browser of its own. */
export async function claim(
  browser: Browser,
  server: Server,
  secret: string,
  login: string,
  options: BrowserContextOptions = {},
): Promise<Member> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const name = login.charAt(0).toUpperCase() + login.slice(1);
  const data = { secret, login, name, password: PASSWORD };
  const answer = await context.request.post(`${server.url}/api/v1/session/claim`, { data });
  if (!answer.ok()) {
    throw new Error(`${login} could not claim the link: ${answer.status()} ${await answer.text()}`);
  }
  return { context, login, csrf: ((await answer.json()) as { csrf: string }).csrf };
}

/** Sends a request as a member. */
export async function send<T>(server: Server, { context, csrf }: Member, method: string, path: string, data?: unknown): Promise<T> {
  const answer = await context.request.fetch(`${server.url}${path}`, {
    method,
    headers: { "x-earcon-csrf": csrf },
    ...(data === undefined ? {} : { data }),
  });
  if (!answer.ok()) {
    throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
  }
  const text = await answer.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Invites somebody to the organisation `default`, who makes an account. */
export async function join(
  browser: Browser,
  { server, owner }: Owned,
  login: string,
  grant: Grant,
  options: BrowserContextOptions = {},
): Promise<Member> {
  const path = "/api/v1/organisations/default/invitations";
  const { secret } = await send<{ secret: string }>(server, owner, "POST", path, { ...grant, days: 1 });
  return claim(browser, server, secret, login, options);
}

/** Opens a page in the browser of a member. Collects its exceptions. */
export async function open({ context }: Member, url: string): Promise<{ page: Page; errors: string[] }> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return { page, errors };
}

/** Fills in the form and sends it. */
export async function signIn(page: Page, login: string, password = PASSWORD): Promise<void> {
  const form = page.getByRole("form", { name: "Sign in" });
  await form.getByLabel("Login", { exact: true }).fill(login);
  await form.getByLabel("Password", { exact: true }).fill(password);
  await form.getByRole("button", { name: "Sign in" }).click();
}

/** The code that an authenticator app shows now (RFC 6238). */
export function totp(secret: string, now = Date.now()): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replaceAll(/\s|=/g, "").toUpperCase()]
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const hash = createHmac("sha1", key).update(counter).digest();
  const offset = (hash[19] ?? 0) & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** What reaches out of the screen to the right. */
export function outside(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const right = document.documentElement.clientWidth;
    const scroller = (element: Element) => element.closest(".tabs, table.audit") !== null;
    return [...document.querySelectorAll("body *")]
      .filter((each) => each.getBoundingClientRect().right > right + 0.5 && !scroller(each) && each.closest(".sr") === null)
      .map((each) => each.outerHTML.slice(0, 90));
  });
}
