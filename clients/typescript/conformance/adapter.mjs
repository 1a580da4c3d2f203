/**
 * The adapter of the conformance suite (tests/conformance). It prints each delivery as JSON. Run
 * `npm run build` first.
 */

import { Client } from "../dist/index.js";

const { WebSocket } = globalThis.WebSocket === undefined ? await import("ws") : globalThis;
const say = (/** @type {Record<string, unknown>} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const milliseconds = (/** @type {string} */ name, /** @type {number} */ otherwise) => Number(process.env[name] ?? otherwise);

const client = new Client({ url: process.argv.at(-1) ?? "", workspace: "local", WebSocket: /** @type {any} */ (WebSocket) });
const heartbeat = {
  pingAfterMs: milliseconds("EARCON_PING_AFTER_MS", 15_000),
  deadAfterMs: milliseconds("EARCON_DEAD_AFTER_MS", 25_000),
};
const onChange = (/** @type {{ phase: string }} */ { phase }) => say({ kind: "state", state: phase });

for await (const { type, seq, epoch, ...more } of client.events({ since: "snapshot", heartbeat, onChange })) {
  if (type === "snapshot") {
    say({ kind: "snapshot", seq, epoch, lost: /** @type {{ lost: boolean }} */ (more).lost });
  } else {
    say({ kind: "event", seq, epoch, type });
  }
}
