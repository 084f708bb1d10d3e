/** Fake timers and a fake date, as far as the suites use them. */
export class FakeClock {
  now = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly task: () => void }>();
  #next = 1;
  #real: object | undefined;

  /** The timers that wait. */
  get count(): number {
    return this.#timers.size;
  }

  install({ toFake, now = Date.now() }: { readonly toFake: readonly string[]; readonly now?: number }): void {
    this.now = now;
    this.#timers.clear();
    const fakes: Record<string, unknown> = {
      Date: this.#date(),
      setTimeout: (task: () => void, delay: number) => {
        this.#next += 1;
        this.#timers.set(this.#next, { at: this.now + delay, task });
        return this.#next;
      },
      clearTimeout: (id: number) => this.#timers.delete(id),
    };
    const real = globalThis as unknown as Record<string, unknown>;
    this.#real = Object.fromEntries(toFake.map((name) => [name, real[name]]));
    for (const name of toFake) real[name] = fakes[name];
  }

  remove(): void {
    Object.assign(globalThis, this.#real);
    this.#real = undefined;
  }

  async advance(time: number): Promise<void> {
    const end = this.now + time;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, { at, task }] = due;
      this.#timers.delete(id);
      this.now = Math.max(this.now, at);
      task();
      await Promise.resolve();
    }
    this.now = end;
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
  }

  #date(): unknown {
    const now = (): number => this.now;
    const Real = Date;
    return class extends Real {
      constructor(value: number = now()) {
        super(value);
      }

      static override now(): number {
        return now();
      }
    };
  }
}
