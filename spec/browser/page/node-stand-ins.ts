// Stands in for the parts of Node that the suites use. esbuild replaces the free names by imports
// of this file, so the library does not find them: it asks `globalThis`.
import { scope, type Listener } from './scope.js';

/** As in Node, `slice` does not copy. */
class View extends Uint8Array {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end);
  }
}

export const Buffer = {
  from: (source: string | ArrayBuffer | ArrayLike<number>, encoding?: 'hex'): View => {
    if (typeof source !== 'string') return new View(source as ArrayBuffer);
    if (encoding !== 'hex') return new View(new TextEncoder().encode(source));
    return new View((source.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16)));
  },

  concat: (parts: readonly Uint8Array[]): View => {
    const whole = new View(parts.reduce((total, { length }) => total + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  },

  compare: (one: Uint8Array, other: Uint8Array): number => {
    const length = Math.min(one.length, other.length);
    for (let i = 0; i < length; i += 1) {
      const difference = (one[i] ?? 0) - (other[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return one.length - other.length;
  },
};

const { port1, port2 } = new scope.MessageChannel();
const tasks: (() => void)[] = [];
port1.onmessage = () => tasks.shift()?.();

/** Runs a task in a later turn of the event loop. */
export function setImmediate(task: () => void): void {
  tasks.push(task);
  port2.postMessage(0);
}

const timers = new Set<unknown>();
const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
Object.assign(globalThis, {
  setTimeout: (task: () => void, delay?: number): unknown => {
    const id = real.setTimeout.call(
      globalThis,
      () => {
        timers.delete(id);
        task();
      },
      delay,
    );
    timers.add(id);
    return id;
  },
  clearTimeout: (id: never) => {
    timers.delete(id);
    real.clearTimeout.call(globalThis, id);
  },
});

export const process = {
  getActiveResourcesInfo: (): string[] => [...timers].map(() => 'Timeout'),
  on: (_: 'unhandledRejection', listener: Listener): void => {
    scope.addEventListener('unhandledrejection', listener);
  },
  off: (_: 'unhandledRejection', listener: Listener): void => {
    scope.removeEventListener('unhandledrejection', listener);
  },
};

type Listening = (this: unknown, type: string, listener: unknown, options?: unknown) => void;
const listeners = new WeakMap<EventTarget, Map<unknown, Set<unknown>>>();
const { prototype } = EventTarget as unknown as {
  readonly prototype: Readonly<Record<'addEventListener' | 'removeEventListener', Listening>>;
};
const { addEventListener, removeEventListener } = prototype;
Object.assign(AbortSignal.prototype, {
  addEventListener(this: AbortSignal, type: string, listener: unknown, options?: unknown): void {
    const ofSignal = listeners.get(this) ?? new Map<unknown, Set<unknown>>();
    listeners.set(this, ofSignal);
    ofSignal.set(type, (ofSignal.get(type) ?? new Set()).add(listener));
    addEventListener.call(this, type, listener, options);
  },
  removeEventListener(this: AbortSignal, type: string, listener: unknown, options?: unknown): void {
    listeners.get(this)?.get(type)?.delete(listener);
    removeEventListener.call(this, type, listener, options);
  },
});

/** `getEventListeners` of node:events, for signals. */
export function getEventListeners(signal: AbortSignal, type: string): unknown[] {
  return [...(listeners.get(signal)?.get(type) ?? [])];
}
