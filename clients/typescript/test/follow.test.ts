/** Tests of the client with a real server. */

import WebSocket from "ws";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ApiError, Client, type LiveEvent, type Reset } from "../src/index.ts";
import { ordinary, spike } from "./samples.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let client: Client;

beforeAll(async () => {
  server = await startServer();
  client = new Client({ url: server.url, WebSocket });
});
afterAll(() => server?.close());

it("delivers each event once when the server is killed and restarted", async () => {
  await client.ingest([{ kpi: "shop.revenue", value: 1 }]);
  const abort = new AbortController();
  const received: (LiveEvent | Reset)[] = [];
  let last = Infinity;
  const following = (async () => {
    for await (const event of client.events({ signal: abort.signal })) {
      received.push(event);
      if (event.seq >= last) {
        break;
      }
    }
  })();
  await expect.poll(() => received.length, { timeout: 60_000 }).toBeGreaterThan(0);
  await client.ingest([{ kpi: "shop.revenue", value: 2, timestamp: Date.now() + 1 }]);
  await server.kill();
  const back = server.restart();
  // The client retries while the server restarts.
  const receipt = await client.ingest(ordinary("shop.orders", 50, Date.now()));
  await back;
  const end = await client.ingest([{ kpi: "shop.orders", value: 2, timestamp: Date.now() + 1_000 }]);
  expect(receipt.accepted).toBe(50);
  last = end.seq ?? 0;
  if ((received.at(-1)?.seq ?? 0) >= last) {
    abort.abort();
  }
  await following;
  const first = received[0]?.seq ?? 0;
  expect(received.map((event) => event.seq)).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
  expect(received.filter((event) => event.type === "snapshot")).toMatchObject([{ lost: false }]);
});

it("queries the state and reports the server's errors", async () => {
  const start = Date.now() - 60_000;
  await client.ingest(ordinary("shop.visits", 120, start));
  const spiked = await client.ingest(spike("shop.visits", 6, start + 1_000));
  expect(spiked.rejected_total).toBe(0);
  const kpi = await client.kpi("shop.visits");
  const id = kpi.series[0]?.anomaly ?? "";
  expect(kpi.series[0]?.state).toBe("anomalous");
  expect((await client.acknowledge(id, "a drill")).acknowledged?.note).toBe("a drill");
  await expect
    .poll(async () => (await client.anomalies({ kpi: "shop.visits", acknowledged: true })).anomalies.length, { timeout: 60_000 })
    .toBe(1);
  await expect.poll(async () => (await client.rows("shop.visits"))[0]?.samples.length, { timeout: 60_000 }).toBe(126);
  const rollups = await client.rollups("shop.visits", { step: 3_600_000, from: 0 }).catch((error: unknown) => error);
  expect(rollups).toBeInstanceOf(ApiError);
  expect(rollups).toMatchObject({ status: 400, problem: { type: "/problems/bad-request" } });
  expect((await client.kpis()).kpis.map(({ kpi }) => kpi)).toContain("shop.visits");
  expect((await client.workspaces()).map(({ id }) => id)).toEqual(["local"]);
  expect(await client.changeMix("default", { voices: 2 })).toMatchObject({ voices: 2 });
});

it("reports rejected rows by their index in all samples", async () => {
  const samples = ordinary("shop.many", 10_050, Date.now());
  samples[10_007] = { kpi: "not a name", value: 1 };
  const receipt = await client.ingest(samples);
  expect(receipt).toMatchObject({ accepted: 10_049, rejected_total: 1, rejected: [{ row: 10_007 }] });
  expect(await client.ingest([{ kpi: "?", value: 1 }])).toMatchObject({ accepted: 0, rejected_total: 1, seq: null });
});

it("sends what a sample states: unit, description, counter and end", async () => {
  const at = Date.now();
  const total = { kpi: "stated.sent", counter: true, unit: "By", description: "Bytes sent" };
  const receipt = await client.ingest([
    { ...total, timestamp: at - 2_000, value: 1_000 },
    { ...total, timestamp: at - 1_000, value: 3_000 },
    { kpi: "stated.sent", timestamp: at, ended: true },
  ]);
  expect(receipt.rejected).toEqual([]);
  await expect.poll(async () => (await client.units()).kpis["stated.sent"]?.unit, { timeout: 60_000 }).toBe("By/s");
  const kpi = await client.kpi("stated.sent");
  expect(kpi.series[0]?.state).toBe("ended");
  await expect.poll(async () => (await client.rows("stated.sent"))[0]?.samples.map((row) => row[1]), { timeout: 60_000 }).toEqual([2_000]);
  const changed = await client.changeSettings("stated.sent", { unit: "kB" });
  expect(changed).toMatchObject({ unit: "kB", description: null, stated_by: "person" });
  expect(await client.settings("stated.sent")).toEqual(changed);
});
