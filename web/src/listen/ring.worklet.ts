/** The audio thread's side: plays what the page posts. A file of its own, because worklets are loaded by address. */

import { Ring } from "./ring.ts";

declare const sampleRate: number;
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const TARGET_MS = 120;
const LIMIT_MS = 400;
/** Blocks of 128 frames between two reports: about five a second. */
const REPORT_EVERY = 75;

class Playback extends AudioWorkletProcessor {
  readonly #ring = new Ring((TARGET_MS * sampleRate) / 1_000, (LIMIT_MS * sampleRate) / 1_000);
  #blocks = 0;
  #peak = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<[Float32Array, Float32Array]>) => {
      this.#ring.write(data[0], data[1]);
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const left = outputs[0]?.[0];
    const right = outputs[0]?.[1];
    if (left !== undefined && right !== undefined) {
      this.#ring.read(left, right);
      for (let i = 0; i < left.length; i += 1) {
        this.#peak = Math.max(this.#peak, Math.abs(left[i] ?? 0), Math.abs(right[i] ?? 0));
      }
    }
    this.#blocks += 1;
    if (this.#blocks % REPORT_EVERY === 0) {
      const { played, skipped, underruns, waiting } = this.#ring;
      this.port.postMessage({ played, skipped, underruns, waiting, peak: this.#peak });
      this.#peak = 0;
    }
    return true;
  }
}

registerProcessor("earcon-playback", Playback);
