import { formatBytes } from './format.js';
import type { Screen } from './screen.js';

/** Says how much of a file is done: every hundredth where a line can be written over, elsewhere every tenth. */
export class Progress {
  readonly #screen: Screen;
  readonly #who: string;
  readonly #total: number;
  readonly #step: number;
  #said = 0;

  constructor(screen: Screen, who: string, total: number) {
    this.#screen = screen;
    this.#who = who;
    this.#total = total;
    this.#step = screen.rewrites ? 1 : 10;
  }

  /** @param bytes - how much is done, which may come out of order. */
  update(bytes: number): void {
    if (this.#total === 0) return;
    const percent = Math.min(100, Math.floor((100 * bytes) / this.#total));
    const step = percent - (percent % this.#step);
    if (step <= this.#said) return;
    this.#said = step;
    const line = `${this.#who}: ${percent} % there and back, ${formatBytes(bytes)} of ${formatBytes(this.#total)}`;
    if (percent === 100) this.#screen.say(line);
    else this.#screen.rewrite(line);
  }
}
