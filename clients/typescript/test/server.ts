/** Starts the server binary that `EARCON_BIN` names, on a free port, with a new data directory. */

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const START_WITHIN_MS = 30_000;
const BUILT = ["release", "debug"].map((profile) =>
  fileURLToPath(new URL(`../../../target/${profile}/earcon`, import.meta.url)),
);

export interface Server {
  url: string;
  /** What the server has printed since its last start. */
  printed(): string;
  /** Kills the server with SIGKILL. */
  kill(): Promise<void>;
  /** Restarts the server with the same port and data. */
  restart(): Promise<void>;
  /** Stops the server and removes its data. */
  close(): Promise<void>;
}

export function binary(): string {
  const named = process.env["EARCON_BIN"];
  const found = named ?? BUILT.find((path) => existsSync(path));
  if (found === undefined || !existsSync(found)) {
    throw new Error(`there is no earcon binary at ${found ?? BUILT.join(" or ")}: build it, or name it in EARCON_BIN`);
  }
  return found;
}

/**
 * @param command `serve` for an empty server, `demo` for a server with metrics of this machine
 * @param settings variables of the server's environment
 */
export async function startServer(
  command: "serve" | "demo" = "serve",
  settings: Record<string, string> = {},
): Promise<Server> {
  const data = mkdtempSync(join(tmpdir(), "earcon-test-"));
  let { child, url, printed } = await launch(command, "127.0.0.1:0", data, settings);
  const kill = async () => {
    await end(child, "SIGKILL");
  };
  return {
    url,
    printed: () => printed(),
    kill,
    restart: async () => {
      ({ child, url, printed } = await launch(command, new URL(url).host, data, settings));
    },
    close: async () => {
      await end(child, "SIGTERM");
      rmSync(data, { recursive: true, force: true });
    },
  };
}

interface Launched {
  child: ChildProcess;
  url: string;
  printed(): string;
}

function launch(
  command: string,
  listen: string,
  data: string,
  settings: Record<string, string>,
): Promise<Launched> {
  const child = spawn(binary(), [command, "--listen", listen, "--data", data], {
    stdio: ["ignore", "pipe", "pipe"],
    // Tests send samples of fixed times.
    env: { EARCON_STORAGE__HISTORY_DAYS: "3650", ...process.env, ...settings },
  });
  return new Promise((resolve, reject) => {
    let out = "";
    let errors = "";
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`the server ${why}\n${out}\n${errors.slice(-4_000)}`));
    };
    const timer = setTimeout(() => fail("did not print its address in time"), START_WITHIN_MS);
    child.stdout.on("data", (text: Buffer) => {
      out += text.toString();
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0];
      if (url !== undefined) {
        clearTimeout(timer);
        resolve({ child, url, printed: () => `${out}\n${errors}` });
      }
    });
    child.stderr.on("data", (text: Buffer) => {
      errors = (errors + text.toString()).slice(-20_000);
    });
    child.once("exit", (code) => fail(`ended at once with ${code}`));
    child.once("error", (error) => fail(`did not start: ${error.message}`));
  });
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    const timeout = setTimeout(() => child.kill("SIGKILL"), 15_000);
    child.once("exit", () => {
      clearTimeout(timeout);
      resolve();
    });
    child.kill(signal);
  });
}
