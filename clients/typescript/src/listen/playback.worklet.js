/**
 * The audio thread's side: plays what the page posts.
 *
 * Plain JavaScript in one file, because worklets are loaded by address: it is served as it stands, without a bundler.
 */

/** Frames over which sound fades in after silence or a skip, so that neither clicks: 5 ms. */
const FADE = 240;
/** The stretch over which latency has to prove unnecessary, in targets. */
const PATIENCE = 16;
/** How many targets may always wait: half a target is left alone, so that it does not skip for a trifle. */
const SPARE = 1.5;

const TARGET_MS = 120;
const LIMIT_MS = 400;
/** Blocks of 128 frames between two reports: about five a second. */
const REPORT_EVERY = 75;

/**
 * The jitter buffer: decoded stereo sound goes in as it arrives, leaves at the pace of the sound card. It starts once
 * `target` frames wait, falls silent and gathers again when it runs dry, skips to live when more than `limit` wait, and
 * gives up latency that it turns out not to need: frames that always waited, for about two seconds, only make it late.
 * Without allocation while running.
 */
export class Ring {
  /** @type {Float32Array} */ #left;
  /** @type {Float32Array} */ #right;
  /** @type {number} */ #capacity;
  /** @type {number} */ #target;
  /** @type {number} */ #limit;
  #read = 0;
  #waiting = 0;
  #running = false;
  #fade = 0;
  /** The fewest frames that waited in the present stretch, and how much of it has passed. */
  #fewest = Infinity;
  #passed = 0;
  /** Frames that were heard. */
  played = 0;
  /** Frames thrown away to get back to live. */
  skipped = 0;
  /** How often it ran dry. */
  underruns = 0;

  /**
   * @param {number} target frames that should wait
   * @param {number} limit frames that may wait
   */
  constructor(target, limit) {
    this.#target = target;
    this.#limit = limit;
    this.#capacity = limit * 2;
    this.#left = new Float32Array(this.#capacity);
    this.#right = new Float32Array(this.#capacity);
  }

  /** Frames that wait. */
  get waiting() {
    return this.#waiting;
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right as long as `left`
   */
  write(left, right) {
    const frames = Math.min(left.length, this.#capacity);
    this.#skip(Math.max(0, this.#waiting + frames - this.#capacity));
    let at = (this.#read + this.#waiting) % this.#capacity;
    for (let i = 0; i < frames; i += 1) {
      this.#left[at] = left[i] ?? 0;
      this.#right[at] = right[i] ?? 0;
      at = at + 1 === this.#capacity ? 0 : at + 1;
    }
    this.#waiting += frames;
    if (this.#waiting > this.#limit) {
      this.#skip(this.#waiting - this.#target);
    }
  }

  /**
   * Fills both outputs; silence where there is nothing to play.
   *
   * @param {Float32Array} left
   * @param {Float32Array} right as long as `left`
   */
  read(left, right) {
    if (!this.#running && this.#waiting >= this.#target) {
      this.#running = true;
      this.#fade = FADE;
    }
    const frames = this.#running ? Math.min(left.length, this.#waiting) : 0;
    for (let i = 0; i < frames; i += 1) {
      const gain = this.#fade > 0 ? 1 - this.#fade / FADE : 1;
      this.#fade -= this.#fade > 0 ? 1 : 0;
      left[i] = (this.#left[this.#read] ?? 0) * gain;
      right[i] = (this.#right[this.#read] ?? 0) * gain;
      this.#read = this.#read + 1 === this.#capacity ? 0 : this.#read + 1;
    }
    left.fill(0, frames);
    right.fill(0, frames);
    this.#waiting -= frames;
    this.played += frames;
    if (this.#running && frames < left.length) {
      this.#running = false;
      this.underruns += 1;
    }
    this.#catchUp(left.length);
  }

  /** @param {number} frames */
  #catchUp(frames) {
    this.#fewest = Math.min(this.#fewest, this.#waiting);
    this.#passed += frames;
    if (this.#passed >= this.#target * PATIENCE) {
      if (this.#fewest > this.#target * SPARE) {
        this.#skip(Math.floor(this.#fewest - this.#target));
      }
      this.#fewest = Infinity;
      this.#passed = 0;
    }
  }

  /** @param {number} frames */
  #skip(frames) {
    if (frames > 0) {
      this.#read = (this.#read + frames) % this.#capacity;
      this.#waiting -= frames;
      this.skipped += frames;
      this.#fade = FADE;
    }
  }
}

// Only an audio thread has this class; tests load the file for `Ring` alone.
if (typeof AudioWorkletProcessor !== "undefined") {
  class Playback extends AudioWorkletProcessor {
    #ring = new Ring((TARGET_MS * sampleRate) / 1_000, (LIMIT_MS * sampleRate) / 1_000);
    #blocks = 0;
    #peak = 0;

    constructor() {
      super();
      this.port.onmessage = (/** @type {MessageEvent<[Float32Array, Float32Array]>} */ { data }) => {
        this.#ring.write(data[0], data[1]);
      };
    }

    /**
     * @param {Float32Array[][]} _inputs
     * @param {Float32Array[][]} outputs
     */
    process(_inputs, outputs) {
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
}
