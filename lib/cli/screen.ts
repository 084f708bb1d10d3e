import { formatBytes } from './transfer.js';

/** The output of a screen, such as the standard output. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

const eraseLine = '\r\x1b[K';

/** Prints lines. On a terminal, a line of progress can be overwritten by the next line. */
export class Screen {
  readonly #output: Output;
  #open = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Whether `rewrite` can overwrite its last line. */
  get rewrites(): boolean {
    return this.#output.isTTY === true;
  }

  say(line: string): void {
    this.#output.write(`${this.#open ? eraseLine : ''}${line}\n`);
    this.#open = false;
  }

  /** Prints a line that the next one overwrites, if the output is a terminal. */
  rewrite(line: string): void {
    if (!this.rewrites) {
      this.say(line);
      return;
    }
    this.#output.write(`${eraseLine}${line}`);
    this.#open = true;
  }

  /** Ends a line of progress, so that the next output does not overwrite it. */
  end(): void {
    if (this.#open) this.#output.write('\n');
    this.#open = false;
  }
}

/** Prints the progress of a file, in steps of 1 % on a terminal and of 10 % elsewhere. */
export class Progress {
  readonly #screen: Screen;
  readonly #label: string;
  readonly #total: number;
  readonly #step: number;
  #lastStep = 0;

  constructor(screen: Screen, label: string, total: number) {
    this.#screen = screen;
    this.#label = label;
    this.#total = total;
    this.#step = screen.rewrites ? 1 : 10;
  }

  /** @param bytes - number of confirmed bytes. Calls may be out of order. */
  update(bytes: number): void {
    if (this.#total === 0) return;
    const percent = Math.min(100, Math.floor((100 * bytes) / this.#total));
    const step = percent - (percent % this.#step);
    if (step <= this.#lastStep) return;
    this.#lastStep = step;
    const line = `${this.#label}: ${percent} % there and back, ${formatBytes(bytes)} of ${formatBytes(this.#total)}`;
    if (percent === 100) this.#screen.say(line);
    else this.#screen.rewrite(line);
  }
}
