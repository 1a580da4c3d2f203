/**
 * The audio thread: plays the samples that the page posts.
 *
 * This is plain JavaScript in one file, because a worklet is loaded by its URL without a bundler.
 */

/** Length of the fade-in after silence or a skip in frames: 5 ms. It avoids clicks. */
const FADE = 240;
/** Length of the observation period for surplus latency, in targets. */
const PERIOD = 16;
/** Latency in targets that is tolerated. It avoids skips for a small surplus. */
const TOLERANCE = 1.5;

const TARGET_MS = 120;
const LIMIT_MS = 400;
/** Number of blocks of 128 frames between two reports: about five reports per second. */
const REPORT_EVERY = 75;

/**
 * The jitter buffer of decoded stereo audio. The network writes, and the sound card reads.
 *
 * - Playback starts once `target` frames are buffered.
 * - An empty buffer plays silence until `target` frames are buffered.
 * - If more than `limit` frames are buffered, it skips frames down to `target`.
 * - If the buffer stayed above the tolerance for about two seconds, it skips the surplus.
 *
 * Reads and writes allocate no memory.
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
  /** Minimum number of buffered frames in the current period, and its length so far in frames. */
  #fewest = Infinity;
  #passed = 0;
  /** Number of played frames. */
  played = 0;
  /** Number of skipped frames. */
  skipped = 0;
  /** Number of times the buffer ran empty. */
  underruns = 0;

  /**
   * @param {number} target number of frames to buffer
   * @param {number} limit maximum number of buffered frames
   */
  constructor(target, limit) {
    this.#target = target;
    this.#limit = limit;
    this.#capacity = limit * 2;
    this.#left = new Float32Array(this.#capacity);
    this.#right = new Float32Array(this.#capacity);
  }

  /** Number of buffered frames. */
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
   * Fills both outputs, with silence if the buffer is empty.
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
    if (this.#passed >= this.#target * PERIOD) {
      if (this.#fewest > this.#target * TOLERANCE) {
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

// Only an audio thread has this class. Tests load the file for `Ring`.
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
