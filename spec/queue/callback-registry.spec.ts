import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowWindow } from '../../lib/queue/flow-window.js';
import { CallbackRegistry, type Registration } from '../../lib/queue/callback-registry.js';

const entry = (name: string): Registration<never> => ({
  name,
  priority: 0,
  lane: undefined,
  requests: new FlowWindow(1, 1),
  callback: () => undefined,
  context: undefined,
});

function find(
  registry: CallbackRegistry<never>,
  name: string,
  before: string = '',
): Registration<never> | undefined {
  const bytes = Uint8Array.from(Buffer.from(`${before}${name}\0payload`, 'latin1'));
  return registry.find(bytes, before.length, name.length);
}

// Each pair has the same hash, and so has every sequence of as many of them.
const twins = ['Aa', 'BB'] as const;
const colliding = twins.flatMap((a) => twins.flatMap((b) => twins.map((c) => a + b + c)));

describe('a registry', () => {
  it('finds a callback by the bytes of its name, wherever they are', () => {
    const registry = new CallbackRegistry<never>();
    const one = entry('one');
    registry.set(one);
    expect(find(registry, 'one')).toBe(one);
    expect(find(registry, 'one', 'name\0')).toBe(one);
    expect(registry.get('one')).toBe(one);
    for (const other of ['on', 'onee', 'two', 'One', 'n']) expect(find(registry, other)).toBeUndefined();
  });

  it('does not take one name for another of the same hash', () => {
    const registry = new CallbackRegistry<never>();
    const alone = entry(colliding[0]!);
    registry.set(alone);
    for (const name of colliding.slice(1)) expect(find(registry, name)).toBeUndefined();
    const entries = colliding.slice(1).map(entry);
    for (const each of entries) registry.set(each);
    for (const each of [alone, ...entries]) expect(find(registry, each.name)).toBe(each);
  });

  it('removes and replaces one of many with the same hash, and no other', () => {
    const registry = new CallbackRegistry<never>();
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

  it('does what a map of strings would', () => {
    const name = fc.oneof(
      fc.constantFrom(...colliding),
      fc.constantFrom('__proto__', 'constructor', ' ', '~', 'n'.repeat(255)),
      fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'C'), minLength: 1, maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), name), { maxLength: 60 }), (steps) => {
        const registry = new CallbackRegistry<never>();
        const model = new Map<string, Registration<never>>();
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
