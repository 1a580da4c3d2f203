/** Tells subscribers that something changed, and counts how often. */

export class Signal {
  #version = 0;
  readonly #subscribers = new Set<() => void>();

  /** Grows with every emit. */
  get version(): number {
    return this.#version;
  }

  readonly subscribe = (subscriber: () => void): (() => void) => {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  };

  emit(): void {
    this.#version += 1;
    for (const subscriber of [...this.#subscribers]) {
      subscriber();
    }
  }
}
