/** Opus packets in, sound out: WebCodecs decodes, an audio worklet plays. */

/** Beside this module; bundlers that know `new URL(…, import.meta.url)` take it along. */
export const WORKLET_URL = new URL("./playback.worklet.js", import.meta.url);

const SAMPLE_RATE = 48_000;
const PACKET_US = 20_000;
/** Packets that may wait for the decoder; more means that this machine does not keep up. */
const DECODER_QUEUE = 25;
const CODEC: AudioDecoderConfig = { codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 2 };

export interface OutputCounters {
  decoded: number;
  /** Frames the sound card took. */
  played: number;
  /** Packets and frames (as packets) thrown away. */
  dropped: number;
  underruns: number;
  /** Milliseconds that wait in the jitter buffer. */
  waiting: number;
  /** The loudest sample since the last report, 0 to 1. */
  peak: number;
}

interface Report {
  played: number;
  skipped: number;
  underruns: number;
  waiting: number;
  peak: number;
}

/** Whether this browser can decode packets itself. */
export async function canDecode(): Promise<boolean> {
  if (typeof AudioDecoder === "undefined" || typeof AudioWorkletNode === "undefined") {
    return false;
  }
  try {
    return (await AudioDecoder.isConfigSupported(CODEC)).supported === true;
  } catch {
    return false;
  }
}

export class Output {
  readonly #context: AudioContext;
  readonly #gain: GainNode;
  readonly #workletUrl: string | URL;
  #worklet: AudioWorkletNode | null = null;
  #decoder: AudioDecoder | null = null;
  #decoded = 0;
  #droppedPackets = 0;
  #report: Report = { played: 0, skipped: 0, underruns: 0, waiting: 0, peak: 0 };

  /** Has to be called while a click or a key is handled; otherwise the browser keeps it silent. */
  constructor(volume: number, workletUrl: string | URL) {
    this.#workletUrl = workletUrl;
    this.#context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "interactive" });
    this.#gain = this.#context.createGain();
    this.#gain.connect(this.#context.destination);
    this.volume = volume;
    // Without a sound card this never settles; decoding goes on all the same.
    this.#context.resume().catch(() => undefined);
  }

  /** 0 to 1; squared, because ears hear ratios. */
  set volume(volume: number) {
    this.#gain.gain.setTargetAtTime(volume * volume, this.#context.currentTime, 0.02);
  }

  /** Whether sound leaves this machine. */
  get running(): boolean {
    return this.#context.state === "running" && this.#worklet !== null;
  }

  async open(): Promise<void> {
    await this.#context.audioWorklet.addModule(this.#workletUrl);
    const worklet = new AudioWorkletNode(this.#context, "earcon-playback", {
      numberOfInputs: 0,
      outputChannelCount: [2],
    });
    worklet.port.onmessage = ({ data }: MessageEvent<Report>) => {
      this.#report = data;
    };
    worklet.connect(this.#gain);
    this.#worklet = worklet;
  }

  /** Decodes and plays one packet. */
  take(number: number, opus: Uint8Array): void {
    if (this.#decoder === null || this.#decoder.state === "closed") {
      this.#decoder = this.#newDecoder();
    }
    if (this.#decoder.decodeQueueSize > DECODER_QUEUE) {
      this.#droppedPackets += 1;
      return;
    }
    const timestamp = number * PACKET_US;
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, duration: PACKET_US, data: opus }));
  }

  get counters(): OutputCounters {
    const { played, skipped, underruns, waiting, peak } = this.#report;
    const perPacket = (SAMPLE_RATE * PACKET_US) / 1e6;
    return {
      decoded: this.#decoded,
      played,
      dropped: this.#droppedPackets + Math.round(skipped / perPacket),
      underruns,
      waiting: (waiting / SAMPLE_RATE) * 1_000,
      peak,
    };
  }

  close(): void {
    if (this.#decoder !== null && this.#decoder.state !== "closed") {
      this.#decoder.close();
    }
    this.#worklet?.disconnect();
    this.#context.close().catch(() => undefined);
  }

  #newDecoder(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: (sound) => this.#play(sound),
      // A broken packet closes the decoder; the next packet opens another.
      error: () => {
        this.#droppedPackets += 1;
      },
    });
    decoder.configure(CODEC);
    return decoder;
  }

  #play(sound: AudioData): void {
    this.#decoded += 1;
    // An audio thread that does not run would collect all of this for ever.
    if (this.running && this.#worklet !== null) {
      const left = plane(sound, 0);
      const right = sound.numberOfChannels > 1 ? plane(sound, 1) : left.slice();
      this.#worklet.port.postMessage([left, right], [left.buffer, right.buffer]);
    } else {
      this.#droppedPackets += 1;
    }
    sound.close();
  }
}

function plane(sound: AudioData, planeIndex: number): Float32Array<ArrayBuffer> {
  const samples = new Float32Array(sound.numberOfFrames);
  sound.copyTo(samples, { planeIndex, format: "f32-planar" });
  return samples;
}
