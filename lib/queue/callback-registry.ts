import type { Bytes } from '../util/bytes.js';
import type { Registration } from './incoming-call.js';

/**
 * Callbacks by name. `find` uses the bytes of a message, so most messages need no string of their
 * name.
 */
export class CallbackRegistry {
  readonly #byHash = new Map<number, Registration[]>();
  readonly #byName = new Map<string, Registration>();

  get(name: string): Registration | undefined {
    return this.#byName.get(name);
  }

  set(registration: Registration): void {
    this.remove(registration.name);
    const hash = hashOf(registration.name);
    const chain = this.#byHash.get(hash);
    if (chain) chain.push(registration);
    else this.#byHash.set(hash, [registration]);
    this.#byName.set(registration.name, registration);
  }

  remove(name: string): Registration | undefined {
    const registration = this.#byName.get(name);
    if (!registration) return undefined;
    this.#byName.delete(name);
    const hash = hashOf(name);
    const rest = (this.#byHash.get(hash) ?? []).filter((each) => each !== registration);
    if (rest.length > 0) this.#byHash.set(hash, rest);
    else this.#byHash.delete(hash);
    registration.callback = undefined;
    return registration;
  }

  /** The callback whose name is these bytes. A NUL follows them. */
  find(bytes: Bytes, start: number, length: number): Registration | undefined {
    let hash = 0;
    for (let i = 0; i < length; i += 1) hash = mix(hash, bytes[start + i] ?? 0);
    const chain = this.#byHash.get(hash);
    if (!chain) return undefined;
    return chain.find((each) => matches(each, bytes, start, length + 1));
  }
}

/**
 * Whether these bytes begin with the name of a registered callback and a NUL. Successive messages
 * of a connection often have the same callback, and this check costs less than `find`.
 */
export function matches(
  registration: Registration | undefined,
  bytes: Bytes,
  start: number,
  size: number,
): registration is Registration {
  if (!registration?.callback) return false;
  const { name } = registration;
  if (size <= name.length || bytes[start + name.length] !== 0) return false;
  for (let i = 0; i < name.length; i += 1) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function mix(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = mix(hash, name.charCodeAt(i));
  return hash;
}
