/** Notifies subscribers of a change, and counts the changes. */

export class Signal {
  #version = 0;
  readonly #subscribers = new Set<() => void>();

  /** Number of emits so far. */
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
