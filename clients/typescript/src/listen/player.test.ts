import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../http.ts";
import { Player, type Source } from "./player.ts";

vi.mock("./output.ts", () => ({
  WORKLET_URL: "",
  canDecode: async () => true,
  Output: class {
    running = true;
    counters = { decoded: 0, played: 0, dropped: 0, underruns: 0, waiting: 0, peak: 0 };
    open = async () => undefined;
    close = () => undefined;
    play = () => undefined;
  },
}));

class FakeSocket {
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  constructor(readonly url: string) {
    sockets.push(this);
  }

  close(): void {
    this.closed = true;
  }
}

const REFUSED = new ApiError(401, "the key was revoked");
let sockets: FakeSocket[] = [];
let tickets = 0;

function source(more: Partial<Source> = {}): Source {
  return {
    audioUrl: async (mix, form) => `${mix}.${form}?ticket=${(tickets += 1)}`,
    audioRefusal: async () => null,
    oggUrl: (mix) => mix,
    ...more,
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("AudioContext", class {});
  [sockets, tickets] = [[], 0];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("asks for a new address before each connection", async () => {
  const player = new Player();
  player.start(source());
  await vi.advanceTimersByTimeAsync(0);
  sockets[0]?.onmessage?.({ data: '{"type":"voices","voices":[]}' });
  sockets[0]?.onclose?.();
  expect(player.now.state).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sockets.map(({ url }) => url)).toEqual(["default.packets?ticket=1", "default.packets?ticket=2"]);
  player.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it.each([
  ["no ticket is given", { audioUrl: async () => Promise.reject(REFUSED) }],
  ["the handshake is refused", { audioRefusal: async () => REFUSED }],
] as [string, Partial<Source>][])("fails with the server's reason when %s, and tries nothing again", async (_, more) => {
  const player = new Player();
  player.start(source(more));
  await vi.advanceTimersByTimeAsync(0);
  sockets[0]?.onclose?.();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(player.now).toMatchObject({ state: "failed", advice: "The server refuses the sound: the key was revoked" });
  expect(sockets.length).toBeLessThanOrEqual(1);
  expect(vi.getTimerCount()).toBe(0);
});

it("asks again when an address does not come in time", async () => {
  let asked = 0;
  const never = async () => {
    asked += 1;
    return new Promise<string>(() => undefined);
  };
  const player = new Player();
  player.start(source({ audioUrl: never }));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(asked).toBeGreaterThan(1);
  expect(player.now.state).toBe("reconnecting");
  player.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it("gives a ticket to the audio element, and its failure in words", async () => {
  vi.stubGlobal("AudioContext", undefined);
  vi.stubGlobal("Audio", class {
    src = "";
    canPlayType = () => "probably";
    play = async () => undefined;
    pause = () => undefined;
    load = () => undefined;
    removeAttribute = () => undefined;
    constructor() {
      elements.push(this);
    }
  });
  const elements: { src: string }[] = [];
  const states: [string, string | null][] = [];
  for (const more of [{}, { audioUrl: async () => Promise.reject(REFUSED) }, { audioUrl: async () => Promise.reject(new TypeError("fetch failed")) }]) {
    const player = new Player();
    player.start(source(more));
    await vi.advanceTimersByTimeAsync(0);
    states.push([player.now.state, player.now.advice]);
  }
  expect(elements.map(({ src }) => src)).toEqual(["default.ogg?ticket=1", "", ""]);
  expect(states).toEqual([
    ["fallback", null],
    ["failed", "The server refuses the sound: the key was revoked"],
    ["failed", "The server does not answer. Press Listen to try again."],
  ]);
});
