/** Where the text goes: the standard output has this form. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

const eraseLine = '\r\x1b[K';

/** Lines of text, and on a terminal a last one that is written over until another is said. */
export class Screen {
  readonly #output: Output;
  #open = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Whether `rewrite` can write over what it wrote before. */
  get rewrites(): boolean {
    return this.#output.isTTY === true;
  }

  say(line: string): void {
    this.#output.write(`${this.#open ? eraseLine : ''}${line}\n`);
    this.#open = false;
  }

  /** Writes a line that the next one takes the place of, where that is possible. */
  rewrite(line: string): void {
    if (!this.rewrites) {
      this.say(line);
      return;
    }
    this.#output.write(`${eraseLine}${line}`);
    this.#open = true;
  }

  /** Leaves the last line as it is. */
  end(): void {
    if (this.#open) this.#output.write('\n');
    this.#open = false;
  }
}
