/** Types the commands of the README's quick start, and compares the example files with their program. */

import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Client } from "../src/index.ts";
import { binary, startServer, type Server } from "./server.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const run = promisify(execFile);

let server: Server;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = mkdtempSync(join(tmpdir(), "earcon-quickstart-"));
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The shell blocks of a section of the README. */
function commandsOf(section: string): string[] {
  const text = readFileSync(join(ROOT, "README.md"), "utf8").split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, commands]) => commands ?? "");
}

/** Runs commands in a folder that has the examples only, with the server's address and no waiting. */
async function type(commands: string): Promise<string> {
  const here = commands
    .replaceAll("http://127.0.0.1:7070", server.url)
    .replaceAll("/tmp", folder)
    .replaceAll(/--speed \d+/g, "--speed 0")
    .replaceAll(/^export PATH.*$/gm, "");
  const environment = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
  const { stdout, stderr } = await run("bash", ["-euo", "pipefail", "-c", here], { cwd: folder, env: environment });
  return stdout + stderr;
}

it("the commands of the quick start run in their order", async () => {
  const earcon = join(folder, "earcon");
  writeFileSync(earcon, `#!/bin/sh\ncommand=$1; shift\nexec "${binary()}" "$command" --url ${server.url} "$@"\n`);
  chmodSync(earcon, 0o755);
  symlinkSync(join(ROOT, "docs"), join(folder, "docs"));
  const [first = "", second = "", ...more] = commandsOf("Send your own");
  expect(first).toContain("earcon serve\n");
  expect(more).toEqual([]);
  const said = await type(second);
  expect(said).toContain('"accepted":1');
  expect(said).toContain("480 samples accepted");

  const client = new Client({ url: server.url });
  const found = async () => (await client.anomalies({ kpi: "orders" })).anomalies.length;
  await expect.poll(found, { timeout: 30_000 }).toBe(1);
  const [terminal = ""] = commandsOf("Follow from a terminal");
  const queries = terminal.split("\n").filter((line) => line.startsWith("earcon query"));
  expect(queries).toHaveLength(2);
  expect(await type(queries.join("\n"))).toMatch(/orders {2}\d+ rows[^]*closed/);
});

it("the example files are those that their program writes", async () => {
  const program = join(ROOT, "docs/examples/generate.py");
  const until = /--until (\S+?)`/.exec(readFileSync(program, "utf8"))?.[1] ?? "";
  await run("python3", [program, folder, "--until", until]);
  for (const name of ["orders.csv", "regions.csv"]) {
    expect(readFileSync(join(folder, name), "utf8"), name).toBe(readFileSync(join(ROOT, "docs/examples", name), "utf8"));
  }
});
