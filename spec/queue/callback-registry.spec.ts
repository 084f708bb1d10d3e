import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowWindow } from '../../lib/queue/flow-window.js';
import { CallbackRegistry, matches } from '../../lib/queue/callback-registry.js';
import { IncomingCall, type Registration } from '../../lib/queue/incoming-call.js';
import type { QueueSocketLike } from '../../lib/queue/types.js';

const entry = (name: string): Registration => ({
  name,
  priority: 0,
  queue: undefined,
  ordered: false,
  requests: new FlowWindow(1, 1),
  callback: () => undefined,
  context: new IncomingCall({} as QueueSocketLike, name, undefined, -1, 0, undefined),
});

function find(registry: CallbackRegistry, name: string, before: string = ''): Registration | undefined {
  const bytes = Uint8Array.from(Buffer.from(`${before}${name}\0payload`, 'latin1'));
  return registry.find(bytes, before.length, name.length);
}

// Each pair has the same hash, and so has every sequence of as many of them.
const twins = ['Aa', 'BB'] as const;
const colliding = twins.flatMap((a) => twins.flatMap((b) => twins.map((c) => a + b + c)));

describe('the callback registry', () => {
  it('finds a callback by the bytes of its name at any offset', () => {
    const registry = new CallbackRegistry();
    const one = entry('one');
    registry.set(one);
    expect(find(registry, 'one')).toBe(one);
    expect(find(registry, 'one', 'name\0')).toBe(one);
    expect(registry.get('one')).toBe(one);
    for (const other of ['on', 'onee', 'two', 'One', 'n']) expect(find(registry, other)).toBeUndefined();
  });

  it('recognises the name of the last message, unless the callback was removed since', () => {
    const registry = new CallbackRegistry();
    const one = entry('one');
    registry.set(one);
    const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
    expect(matches(undefined, bytes('one\0'), 0, 4)).toBe(false);
    expect(matches(one, bytes('one\0rest'), 0, 8)).toBe(true);
    expect(matches(one, bytes('xone\0'), 1, 4)).toBe(true);
    // The NUL belongs to the message, and not to bytes behind it.
    expect(matches(one, bytes('one\0'), 0, 3)).toBe(false);
    for (const other of ['onee\0', 'on\0e', 'oni\0'])
      expect(matches(one, bytes(other), 0, other.length)).toBe(false);
    registry.remove('one');
    expect(matches(one, bytes('one\0'), 0, 4)).toBe(false);
  });

  it('distinguishes names with the same hash', () => {
    const registry = new CallbackRegistry();
    const alone = entry(colliding[0]!);
    registry.set(alone);
    for (const name of colliding.slice(1)) expect(find(registry, name)).toBeUndefined();
    const entries = colliding.slice(1).map(entry);
    for (const each of entries) registry.set(each);
    for (const each of [alone, ...entries]) expect(find(registry, each.name)).toBe(each);
  });

  it('removes and replaces one of many names with the same hash without an effect on the others', () => {
    const registry = new CallbackRegistry();
    const entries = colliding.map(entry);
    for (const each of entries) registry.set(each);
    for (const [i, each] of entries.entries()) {
      expect(registry.remove(each.name)).toBe(each);
      expect(each.callback).toBeUndefined();
      expect(registry.remove(each.name)).toBeUndefined();
      for (const [j, other] of entries.entries()) {
        expect(find(registry, other.name)).toBe(j <= i ? undefined : other);
        expect(other.callback === undefined).toBe(j <= i);
      }
    }
    const [old, young] = [entry('Aa'), entry('Aa')];
    registry.set(old);
    registry.set(entry('BB'));
    registry.set(young);
    expect(find(registry, 'Aa')).toBe(young);
    expect(old.callback).toBeUndefined();
    expect(find(registry, 'BB')?.name).toBe('BB');
  });

  it('finds the same callbacks as a map of strings, after any additions and removals', () => {
    const name = fc.oneof(
      fc.constantFrom(...colliding),
      fc.constantFrom('__proto__', 'constructor', ' ', '~', 'n'.repeat(255)),
      fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'C'), minLength: 1, maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), name), { maxLength: 60 }), (steps) => {
        const registry = new CallbackRegistry();
        const model = new Map<string, Registration>();
        for (const [add, word] of steps) {
          if (add) {
            const each = entry(word);
            registry.set(each);
            model.set(word, each);
          } else {
            expect(registry.remove(word)).toBe(model.get(word));
            model.delete(word);
          }
          for (const [, other] of steps) {
            expect(find(registry, other)).toBe(model.get(other));
            expect(registry.get(other)).toBe(model.get(other));
          }
        }
      }),
      { seed: 31, numRuns: 60 },
    );
  });
});
