/** Waits between tries: doubling, capped, half of it random so that a thousand pages do not come back in one second. */

const FIRST_MS = 500;
const CAP_MS = 30_000;

export class Backoff {
  #tries = 0;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  nextDelayMs(): number {
    const ceiling = Math.min(CAP_MS, FIRST_MS * 2 ** this.#tries);
    if (ceiling < CAP_MS) this.#tries += 1;
    return Math.round(ceiling / 2 + (ceiling / 2) * this.#random());
  }

  reset(): void {
    this.#tries = 0;
  }
}
