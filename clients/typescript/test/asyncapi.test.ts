/** Checks that docs/asyncapi.yaml is valid, consistent, and matches a real server. */

import WebSocket from "ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../src/index.ts";
import { validationErrors, document, messageOf, metaSchema, references, resolve, text } from "./asyncapi.ts";
import { ordinary, spike } from "./samples.ts";
import { startServer, type Server } from "./server.ts";

describe("the AsyncAPI document", () => {
  it("is valid AsyncAPI 3.0", () => {
    const validate = metaSchema();
    expect(validate(document), JSON.stringify(validate.errors?.slice(-3))).toBe(true);
  });

  it("has no broken references", () => {
    expect(references().length).toBeGreaterThan(100);
    expect(references().filter((reference) => resolve(reference) === undefined)).toEqual([]);
  });

  it("names every message in a channel and in an operation", () => {
    const messages = Object.keys(document.components.messages).sort();
    const { events, audio } = document.channels;
    expect([...Object.keys(events.messages), ...Object.keys(audio.messages)].sort()).toEqual(messages);
    const used = Object.values(document.operations).flatMap((operation) => operation.messages.map(({ $ref }) => $ref));
    expect(used.map((reference) => reference.split("/").at(-1)).sort()).toEqual(messages);
  });

  it("has examples that match their schemas", () => {
    const examples = Object.entries(document.components.messages).flatMap(([name, message]) =>
      (message.examples ?? []).map(({ payload }) => validationErrors(name, payload)),
    );
    expect(examples.length).toBeGreaterThan(10);
    expect(examples.filter((problem) => problem !== null)).toEqual([]);
  });

  it("rejects invalid messages", () => {
    expect(validationErrors("gap", { type: "gap", from: 1 })).toContain("required");
    expect(validationErrors("subscribe", { type: "subscribe", since: "yesterday" })).not.toBeNull();
    expect(validationErrors("subscribe", { type: "subscribe", until: 7 })).not.toBeNull();
    const event = { seq: 1, epoch: "e", time: 1, type: "kpi.parked", workspace: "w", subject: "kpi/k", kpi: "k", data: {} };
    expect(validationErrors("kpiParked", event)).toContain("reason");
  });
});

describe("a running server", () => {
  let server: Server;
  let client: Client;

  beforeAll(async () => {
    server = await startServer();
    client = new Client({ url: server.url, WebSocket });
    await client.ingest(ordinary("shop.revenue", 120, Date.now() - 60_000));
  });
  afterAll(() => server?.close());

  it("serves the document", async () => {
    const response = await fetch(`${server.url}/api/v1/asyncapi.yaml`);
    expect(response.headers.get("content-type")).toBe("application/yaml");
    expect(await response.text()).toBe(text);
  });

  it("sends only documented messages on the events' WebSocket", async () => {
    const socket = new WebSocket(client.eventsUrl);
    const seen = new Set<string>();
    const problems: string[] = [];
    const until = follow(socket, (data, binary) => {
      const message = JSON.parse(String(data)) as { type: string };
      seen.add(message.type);
      const problem = binary ? "a binary message" : validationErrors(messageOf(message.type), message);
      if (problem !== null) {
        problems.push(problem);
      }
    });
    await until(() => socket.readyState === WebSocket.OPEN);
    const say = (message: unknown) => {
      socket.send(typeof message === "string" ? message : JSON.stringify(message));
    };
    const subscribe = { type: "subscribe", since: "snapshot" };
    expect(validationErrors("subscribe", subscribe)).toBeNull();
    say(subscribe);
    await until(() => seen.has("snapshot"));
    // A spike opens an anomaly, which continues, is acknowledged, and closes.
    const start = Date.now() - 59_000;
    await client.ingest(spike("shop.revenue", 20, start));
    await until(() => seen.has("anomaly.opened"));
    const open = (await client.anomalies({ open: true })).anomalies[0];
    await client.acknowledge(open?.id ?? "", "seen");
    await client.ingest(ordinary("shop.revenue", 300, start + 330_000));
    await client.ingest([{ kpi: "shop.revenue", timestamp: start - 500, value: 1 }]);
    say({ type: "ping" });
    say("nonsense");
    say({ type: "subscribe", since: 1, epoch: "another" });
    await until(() => ["anomaly.closed", "anomaly.acknowledged", "pong", "error"].every((type) => seen.has(type)));
    socket.close();
    expect(problems).toEqual([]);
    expect([...seen]).toEqual(expect.arrayContaining(["subscribed", "snapshot", "samples", "anomaly.updated"]));
  });

  it("sends only documented messages on a mix's WebSocket", async () => {
    const socket = new WebSocket(client.packetsUrl());
    const seen = new Map<string, number>();
    const problems: string[] = [];
    const until = follow(socket, (data, binary) => {
      const message = binary ? null : (JSON.parse(String(data)) as { type: string });
      const name = message?.type ?? "packet";
      seen.set(name, (seen.get(name) ?? 0) + 1);
      const problem = message === null ? null : validationErrors(name, message);
      if (problem !== null || (binary && (data as Buffer).length < 9)) {
        problems.push(problem ?? "a packet without Opus in it");
      }
    });
    await until(() => (seen.get("packet") ?? 0) > 10);
    // A spike on another KPI causes a cue, because there is a listener.
    await client.ingest(ordinary("shop.orders", 120, Date.now() - 60_000));
    await client.ingest(spike("shop.orders", 6, Date.now() - 59_000));
    await until(() => seen.has("cue") && seen.has("config") && seen.has("voices"));
    socket.close();
    expect(problems).toEqual([]);
  });
});

/**
 * Passes each message to `take`. Returns a function that waits until a condition holds, which is
 * checked after each message.
 */
function follow(socket: WebSocket, take: (data: WebSocket.RawData, binary: boolean) => void) {
  let look: () => void = () => undefined;
  socket.on("message", (data, binary) => {
    take(data, binary);
    look();
  });
  socket.on("open", () => look());
  socket.on("close", () => look());
  return (reached: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      look = () => {
        if (reached()) {
          resolve();
        } else if (socket.readyState === WebSocket.CLOSED) {
          reject(new Error("the server closed the connection"));
        }
      };
      look();
    });
}
