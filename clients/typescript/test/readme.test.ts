/** Compiles and runs the examples of the READMEs as they are, with this version of Node.js. */

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Client } from "../src/index.ts";
import { ordinary, spike } from "./samples.ts";
import { startServer, type Server } from "./server.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const HERE = fileURLToPath(new URL("..", import.meta.url));
const ADDRESS = "http://127.0.0.1:7070";

let server: Server;
let client: Client;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  client = new Client({ url: server.url });
  // The folder is inside the package, so that the example imports the package by its name.
  folder = mkdtempSync(join(HERE, "dist", "example-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server?.close();
});

it.each(["README.md", "clients/typescript/README.md"])("the example of %s runs", async (readme) => {
  const found = [...readFileSync(join(ROOT, readme), "utf8").matchAll(/^```ts\n(.*?)^```/gms)];
  expect(found).toHaveLength(1);
  const example = found[0]?.[1] ?? "";
  expect(example).toContain(ADDRESS);
  const name = readme.replaceAll(/\W/g, "-");
  const [source, program] = [join(folder, `${name}.ts`), join(folder, `${name}.mjs`)];
  writeFileSync(source, `${example}export {};\n`);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--skipLibCheck"];
  await promisify(execFile)(join(HERE, "node_modules/.bin/tsc"), [...options, source], { cwd: folder }).catch(
    (error: { stdout?: string }) => Promise.reject(new Error(error.stdout ?? String(error))),
  );
  const { outputText } = ts.transpileModule(example.replace(ADDRESS, server.url), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(program, outputText);

  const kpi = `readme.${readme.length}`;
  await client.ingest(ordinary(kpi, 120, Date.now() - 60_000));
  const before = await followers();
  const process = spawn("node", [program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const printed = lines(process);
    while ((await followers()) === before) {
      expect(process.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await client.ingest(spike(kpi, 6, Date.now() - 59_000));
    expect(await printed((line) => line.includes(kpi) || line.includes("anomaly.opened"))).toMatch(/40\d|anomaly\.opened/);
  } finally {
    process.kill("SIGKILL");
  }
});

/** Returns a function that waits for a line of a program's output. */
function lines(process: ChildProcess): (wanted: (line: string) => boolean) => Promise<string> {
  let out = "";
  let look: () => void = () => undefined;
  process.stdout?.on("data", (text: Buffer) => {
    out += text.toString();
    look();
  });
  process.once("exit", () => look());
  return (wanted) =>
    new Promise((resolve, reject) => {
      look = () => {
        const line = out.split("\n").slice(0, -1).find(wanted);
        if (line !== undefined) {
          resolve(line);
        } else if (process.exitCode !== null) {
          reject(new Error(`the example exited and printed ${out}`));
        }
      };
      look();
    });
}

/** Returns the number of event subscribers of the server. */
async function followers(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^earcon_subscribers(?:\{[^}]*\})? ([0-9.]+)/m.exec(text)?.[1] ?? 0);
}
