/** Delays between attempts: doubled up to a cap, half of each random, so that pages do not all reconnect at once. */

const FIRST_MS = 1000;
const CAP_MS = 16_000;

export class Backoff {
  #ceiling = FIRST_MS;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  nextDelayMs(): number {
    const ceiling = this.#ceiling;
    this.#ceiling = Math.min(CAP_MS, ceiling * 2);
    return Math.round(ceiling / 2 + (ceiling / 2) * this.#random());
  }

  reset(): void {
    this.#ceiling = FIRST_MS;
  }
}
