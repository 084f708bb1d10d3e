import type { Bytes } from '../util/bytes.js';
import type { FlowWindow } from './flow-window.js';
import type { Callback, CallbackContext } from './types.js';

/** A callback under its name. `lane` belongs to whoever performs it. */
export interface Registration<L = unknown> {
  readonly name: string;
  readonly priority: number;
  readonly lane: L | undefined;
  /** Requests of this name that have no answer yet. */
  readonly requests: FlowWindow;
  /** Undefined once it was removed or replaced. */
  callback: Callback | undefined;
  context: CallbackContext | undefined;
}

/** Callbacks by name, found by the bytes of a message: most messages need no string of their name. */
export class CallbackRegistry<L> {
  readonly #byHash = new Map<number, Registration<L>[]>();
  readonly #byName = new Map<string, Registration<L>>();
  /** The last one that was found: messages of a name come in crowds. */
  #last: Registration<L> | undefined;

  get(name: string): Registration<L> | undefined {
    return this.#byName.get(name);
  }

  set(registration: Registration<L>): void {
    this.remove(registration.name);
    const hash = hashOf(registration.name);
    const chain = this.#byHash.get(hash);
    if (chain) chain.push(registration);
    else this.#byHash.set(hash, [registration]);
    this.#byName.set(registration.name, registration);
  }

  remove(name: string): Registration<L> | undefined {
    const registration = this.#byName.get(name);
    if (!registration) return undefined;
    this.#byName.delete(name);
    this.#last = undefined;
    const hash = hashOf(name);
    const rest = (this.#byHash.get(hash) ?? []).filter((each) => each !== registration);
    if (rest.length > 0) this.#byHash.set(hash, rest);
    else this.#byHash.delete(hash);
    registration.callback = undefined;
    return registration;
  }

  /** The callback that was found last, if these bytes begin with its name and a NUL. */
  findAgain(bytes: Bytes, start: number, size: number): Registration<L> | undefined {
    const last = this.#last;
    if (!last || size <= last.name.length || bytes[start + last.name.length] !== 0) return undefined;
    return isName(last.name, bytes, start, last.name.length) ? last : undefined;
  }

  /** The callback whose name these bytes are. */
  find(bytes: Bytes, start: number, length: number): Registration<L> | undefined {
    let hash = 0;
    for (let i = 0; i < length; i += 1) hash = mix(hash, bytes[start + i] ?? 0);
    const chain = this.#byHash.get(hash);
    if (!chain) return undefined;
    for (const each of chain) {
      if (!isName(each.name, bytes, start, length)) continue;
      this.#last = each;
      return each;
    }
    return undefined;
  }
}

function mix(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = mix(hash, name.charCodeAt(i));
  return hash;
}

function isName(name: string, bytes: Bytes, start: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
