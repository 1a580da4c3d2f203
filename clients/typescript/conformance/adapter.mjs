/**
 * The adapter of the conformance suite (tests/conformance). It prints each delivery as JSON. It
 * needs the packages of `npm ci` and the files of `npm run build`.
 */

/** Ends the adapter with the command that is missing, if a module is. */
const need = (/** @type {Promise<any>} */ module) =>
  module.catch((/** @type {Error} */ error) => {
    console.error(`${error.message}\nBuild the client first: cd clients/typescript && npm ci && npm run build`);
    process.exit(1);
  });

const { Client } = await need(import("../dist/index.js"));
const { WebSocket } = globalThis.WebSocket === undefined ? await need(import("ws")) : globalThis;
const say = (/** @type {Record<string, unknown>} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const milliseconds = (/** @type {string} */ name, /** @type {number} */ otherwise) => Number(process.env[name] ?? otherwise);

const client = new Client({ url: process.argv.at(-1) ?? "", workspace: "local", WebSocket });
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
