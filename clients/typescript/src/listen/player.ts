/**
 * Plays a mix in a browser. It plays WebSocket packets if the browser can decode them, else the Ogg
 * stream in an `<audio>` element. It reconnects automatically and reports voices and cues.
 */

import { ends } from "../access.ts";
import { backoff } from "../backoff.ts";
import type { AudioMessage, Cue, Voice } from "../wire.ts";
import { canDecode, Output, WORKLET_URL, type OutputCounters } from "./output.ts";
import { parsePacket } from "./packet.ts";

/** A cue with its time of arrival in milliseconds since the Unix epoch. */
export interface HeardCue extends Cue {
  at: number;
}

/** The source of the audio. A `Client` is a source. */
export interface Source {
  /** The URL for one connection. */
  audioUrl(mix: string, form: "packets" | "ogg"): Promise<string>;
  /** Why the server refuses the sound, or null if it does not. */
  audioRefusal(mix: string): Promise<Error | null>;
  /** The URL for another program. */
  oggUrl(mix: string): string;
}

export interface PlayerOptions {
  /** Volume, 0 to 1. Default: 0.8. */
  volume?: number;
  /** Called when `now` changes. */
  onChange?: () => void;
  /** The URL of `playback.worklet.js`, if it is not served next to this module. */
  worklet?: string | URL;
}

export type ListenState =
  | "off"
  | "starting"
  /** Packets are decoded and played. */
  | "playing"
  /** Packets are decoded, but no sound card plays them. */
  | "mute"
  | "reconnecting"
  /** The `<audio>` element plays. */
  | "fallback"
  | "failed";

export interface Listening {
  state: ListenState;
  /** Advice for the user in the states `failed` and `mute`. */
  advice: string | null;
  voices: Voice[];
  cue: HeardCue | null;
}

export interface Counters extends OutputCounters {
  received: number;
}

const NO_COUNTERS: OutputCounters = { decoded: 0, played: 0, dropped: 0, underruns: 0, waiting: 0, peak: 0 };
/** Silence after which the socket is replaced. */
const DEAD_AFTER_MS = 8_000;

export class Player {
  readonly #changed: () => void;
  readonly #worklet: string | URL;
  #now: Listening = { state: "off", advice: null, voices: [], cue: null };
  #source: Source | null = null;
  #mix = "default";
  #output: Output | null = null;
  #element: HTMLAudioElement | null = null;
  #socket: WebSocket | null = null;
  /** Counts connections. What an earlier one is still waiting for is ignored. */
  #attempt = 0;
  /** Whether a ticket or the reason of a refusal is awaited. */
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #monitor: ReturnType<typeof setInterval> | null = null;
  #failures = 0;
  #heardAt = 0;
  #received = 0;
  #missed = 0;
  #next: number | null = null;
  #volume: number;

  constructor(options: PlayerOptions = {}) {
    this.#volume = options.volume ?? 0.8;
    this.#changed = options.onChange ?? (() => undefined);
    this.#worklet = options.worklet ?? WORKLET_URL;
  }

  get now(): Listening {
    return this.#now;
  }

  get counters(): Counters {
    const counters = this.#output?.counters ?? NO_COUNTERS;
    return { ...counters, dropped: counters.dropped + this.#missed, received: this.#received };
  }

  set volume(volume: number) {
    this.#volume = volume;
    if (this.#output !== null) {
      this.#output.volume = volume;
    }
    if (this.#element !== null) {
      this.#element.volume = volume * volume;
    }
  }

  /** Must be called in the handler of a click or a key. */
  start(source: Source, mix = "default"): void {
    if (this.#now.state !== "off" && this.#now.state !== "failed") {
      return;
    }
    this.#source = source;
    this.#mix = mix;
    this.#received = 0;
    this.#missed = 0;
    this.#set({ state: "starting", advice: null });
    // The output is created before the first await, because the browser allows audio only in the
    // handler of a user action.
    const output = typeof AudioContext === "undefined" ? null : new Output(this.#volume, this.#worklet);
    this.#output = output;
    void this.#open(output, source);
  }

  stop(): void {
    this.#source = null;
    this.#disconnect();
    this.#output?.close();
    this.#output = null;
    this.#element?.pause();
    this.#element?.removeAttribute("src");
    this.#element?.load();
    this.#element = null;
    this.#set({ state: "off", advice: null, voices: [], cue: null });
  }

  async #open(output: Output | null, source: Source): Promise<void> {
    const decodes = output !== null && (await canDecode());
    if (this.#output !== output || this.#source !== source) {
      return;
    }
    if (!decodes) {
      output?.close();
      this.#output = null;
      void this.#fallBack(source);
      return;
    }
    // The player does not wait for the sound card. Packets are decoded, and the advice reports a
    // missing sound card.
    output.open().catch(() => undefined);
    this.#connect();
    this.#monitor = setInterval(() => this.#check(), 1_000);
  }

  #connect(): void {
    const source = this.#source;
    if (source === null) {
      return;
    }
    const attempt = (this.#attempt += 1);
    this.#asking = true;
    this.#heardAt = Date.now();
    source.audioUrl(this.#mix, "packets").then(
      (url) => {
        if (this.#attempt === attempt && this.#source === source) {
          this.#listen(url, source);
        }
      },
      (error: unknown) => {
        if (this.#attempt === attempt && this.#source === source) {
          this.#retry(ends(error) ? error : null);
        }
      },
    );
  }

  #listen(url: string, source: Source): void {
    const [socket, attempt] = [new WebSocket(url), this.#attempt];
    let answered = false;
    this.#asking = false;
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heardAt = Date.now();
    this.#next = null;
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#socket !== socket) {
        return;
      }
      answered = true;
      this.#heardAt = Date.now();
      if (data instanceof ArrayBuffer) {
        this.#packet(data);
      } else if (typeof data === "string") {
        this.#text(data);
      }
    };
    socket.onclose = () => {
      if (this.#socket !== socket) {
        return;
      }
      this.#socket = null;
      if (answered) {
        this.#retry(null);
        return;
      }
      // A browser does not say why a WebSocket was refused.
      this.#asking = true;
      void source.audioRefusal(this.#mix).then((refusal) => {
        if (this.#attempt === attempt && this.#source === source) {
          this.#retry(refusal);
        }
      });
    };
  }

  #packet(data: ArrayBuffer): void {
    const packet = parsePacket(data);
    if (packet === null || this.#output === null) {
      return;
    }
    this.#received += 1;
    this.#failures = 0;
    if (this.#next !== null && packet.number > this.#next) {
      this.#missed += packet.number - this.#next;
    }
    this.#next = packet.number + 1;
    this.#output.play(packet.number, packet.opus);
    if (this.#now.state === "starting" || this.#now.state === "reconnecting") {
      this.#check();
    }
  }

  #text(data: string): void {
    const message = parse(data);
    if (message?.type === "voices") {
      this.#set({ voices: message.voices });
    } else if (message?.type === "cue") {
      const { kind, severity, kpi, labels, anomaly, incident } = message;
      this.#set({ cue: { kind, severity, kpi, labels, anomaly, incident, at: Date.now() } });
    }
  }

  /** Polls for a dead connection and a missing sound card, which cause no event. */
  #check(): void {
    const output = this.#output;
    if (output === null || (this.#socket === null && !this.#asking)) {
      return;
    }
    if (Date.now() - this.#heardAt > DEAD_AFTER_MS) {
      const socket = this.#socket;
      this.#socket = null;
      socket?.close();
      this.#retry(null);
    } else if (this.#received > 0) {
      const state = output.running ? "playing" : "mute";
      const advice = output.running
        ? null
        : "The stream arrives, but the browser plays nothing: look whether this machine has a sound device, then press Listen again.";
      if (state !== this.#now.state) {
        this.#set({ state, advice });
      }
    }
  }

  /** Connects again later, or not at all after a refusal. */
  #retry(refusal: Error | null): void {
    this.#socket = null;
    this.#attempt += 1;
    this.#asking = false;
    if (refusal !== null) {
      this.#refuse(refusal);
      return;
    }
    this.#failures += 1;
    this.#set({ state: "reconnecting", voices: [] });
    this.#timer = setTimeout(() => this.#connect(), backoff(this.#failures, Math.random()));
  }

  #refuse(refusal: Error): void {
    this.#source = null;
    this.#disconnect();
    this.#output?.close();
    this.#output = null;
    this.#set({ state: "failed", advice: `The server refuses the sound: ${refusal.message}`, voices: [] });
  }

  #disconnect(): void {
    this.#attempt += 1;
    this.#asking = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    if (this.#monitor !== null) {
      clearInterval(this.#monitor);
    }
    this.#timer = null;
    this.#monitor = null;
    this.#failures = 0;
  }

  async #fallBack(source: Source): Promise<void> {
    const element = new Audio();
    if (element.canPlayType('audio/ogg; codecs="opus"') === "") {
      const link = new URL(source.oggUrl(this.#mix), location.href).href;
      this.#set({ state: "failed", advice: `This browser cannot play Opus. Open ${link} in VLC or mpv instead.` });
      return;
    }
    let url: string;
    try {
      url = await source.audioUrl(this.#mix, "ogg");
    } catch (error) {
      if (this.#source === source && ends(error)) {
        this.#refuse(error);
      } else if (this.#source === source) {
        this.#set({ state: "failed", advice: "The server does not answer. Press Listen to try again." });
      }
      return;
    }
    if (this.#source !== source) {
      return;
    }
    element.src = url;
    element.volume = this.#volume * this.#volume;
    this.#element = element;
    element.onerror = () => this.#fail(element, "The stream broke off. Press Listen to try again.");
    element.play().then(
      () => this.#element === element && this.#set({ state: "fallback" }),
      () => this.#fail(element, "The browser did not start the sound. Press Listen to try again."),
    );
  }

  #fail(element: HTMLAudioElement, advice: string): void {
    if (this.#element === element) {
      this.#element = null;
      this.#set({ state: "failed", advice });
    }
  }

  #set(change: Partial<Listening>): void {
    this.#now = { ...this.#now, ...change };
    this.#changed();
  }
}

/** Parses a text message. Returns null if it is not JSON. */
function parse(text: string): AudioMessage | null {
  try {
    return JSON.parse(text) as AudioMessage | null;
  } catch {
    return null;
  }
}
