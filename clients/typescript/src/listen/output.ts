/** Audio output: WebCodecs decodes Opus packets, and an audio worklet plays them. */

/**
 * The URL of the worklet, a file next to this module. Bundlers that support
 * `new URL(…, import.meta.url)` include it.
 */
export const WORKLET_URL = new URL("./playback.worklet.js", import.meta.url);

const SAMPLE_RATE = 48_000;
const PACKET_US = 20_000;
/** Maximum number of packets queued for the decoder. Further packets are dropped. */
const DECODER_QUEUE = 25;
const CODEC: AudioDecoderConfig = { codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 2 };

export interface OutputCounters {
  decoded: number;
  /** Number of frames played by the sound card. */
  played: number;
  /** Number of dropped packets. Dropped frames are converted to packets. */
  dropped: number;
  underruns: number;
  /** Milliseconds of audio in the jitter buffer. */
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

/** Whether this browser can decode Opus packets with WebCodecs. */
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

  /** Must be called in the handler of a click or a key. Otherwise the browser mutes the audio. */
  constructor(volume: number, workletUrl: string | URL) {
    this.#workletUrl = workletUrl;
    this.#context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "interactive" });
    this.#gain = this.#context.createGain();
    this.#gain.connect(this.#context.destination);
    this.volume = volume;
    // Without a sound card this promise never settles. Decoding does not depend on it.
    this.#context.resume().catch(() => undefined);
  }

  /** Volume, 0 to 1. It is squared, because loudness is perceived logarithmically. */
  set volume(volume: number) {
    this.#gain.gain.setTargetAtTime(volume * volume, this.#context.currentTime, 0.02);
  }

  /** Whether the sound card plays the audio. */
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
  play(number: number, opus: Uint8Array): void {
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
      output: (sound) => this.#enqueue(sound),
      // An invalid packet closes the decoder. The next packet creates a new decoder.
      error: () => {
        this.#droppedPackets += 1;
      },
    });
    decoder.configure(CODEC);
    return decoder;
  }

  #enqueue(sound: AudioData): void {
    this.#decoded += 1;
    // If the audio thread does not run, posted samples would accumulate without limit.
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
