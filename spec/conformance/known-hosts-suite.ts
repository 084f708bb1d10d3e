import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KnownHosts } from '../../lib/trust/known-hosts.js';

const [one, two] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];
const name = 'example.org:9000';

/**
 * The rules of every store of known hosts.
 *
 * @param make - makes an empty store.
 */
export function describeKnownHosts(kind: string, make: () => KnownHosts): void {
  describe(`a store of known hosts ${kind}`, () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 31, 23, 59) });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('has an entry that was added, and keeps the first one', async () => {
      const store = make();
      expect(await store.get(name)).toBeUndefined();
      const entry = {
        name,
        fingerprint: one,
        state: 'pinned',
        firstSeen: '2026-01-31',
        lastSeen: '2026-01-31',
      };
      expect(await store.addIfAbsent(name, one)).toEqual(entry);
      expect(await store.addIfAbsent(name, two)).toEqual(entry);
      expect(await store.get(name)).toEqual(entry);
      expect(await store.get('example.org:9001')).toBeUndefined();
    });

    it('adds one of many at the same time', async () => {
      const store = make();
      const prints = Array.from({ length: 16 }, (_, index) => `sha256:${index.toString(16).repeat(64)}`);
      const known = await Promise.all(prints.map((print) => store.addIfAbsent(name, print)));
      expect(new Set(known.map(({ fingerprint }) => fingerprint)).size).toBe(1);
      expect(await store.get(name)).toEqual(known[0]);
    });

    it('replaces and revokes entries, and addIfAbsent does not end a revocation', async () => {
      const store = make();
      await store.replace(name, one);
      await store.replace(name, two);
      expect(await store.get(name)).toMatchObject({ fingerprint: two, state: 'pinned' });
      await store.replace(name, two, 'revoked');
      expect(await store.addIfAbsent(name, one)).toMatchObject({ fingerprint: two, state: 'revoked' });
      await store.replace(name, one, 'pinned');
      expect(await store.get(name)).toMatchObject({ fingerprint: one, state: 'pinned' });
    });

    it('removes a server by any spelling of its name, and returns whether there was one', async () => {
      const store = make();
      expect(await store.remove?.(name)).toBe(false);
      await store.replace(name, one, 'revoked');
      await store.addIfAbsent('other:1', one);
      expect(await store.remove?.('EXAMPLE.org.:9000')).toBe(true);
      expect(await store.get(name)).toBeUndefined();
      expect(await store.remove?.(name)).toBe(false);
      expect(await store.addIfAbsent(name, two)).toMatchObject({ fingerprint: two, state: 'pinned' });
      expect(await store.get('other:1')).toMatchObject({ fingerprint: one });
      await expect(store.remove?.('a b')).rejects.toThrow(TypeError);
    });

    it('updates the day on which a key was last seen', async () => {
      const store = make();
      await store.addIfAbsent(name, one);
      vi.setSystemTime(Date.UTC(2026, 1, 1));
      await store.touch?.(name, two);
      await store.touch?.('unknown:1', one);
      expect(await store.get('unknown:1')).toBeUndefined();
      expect(await store.get(name)).toMatchObject({ lastSeen: '2026-01-31' });
      await store.touch?.(name, one);
      expect(await store.get(name)).toMatchObject({ firstSeen: '2026-01-31', lastSeen: '2026-02-01' });
    });

    it('accepts any name of visible ASCII, whatever its case', async () => {
      const store = make();
      const names = [
        '[::1]:9000',
        '[fe80::1%eth0]:1',
        'EXAMPLE.org:9000',
        '/run/app.sock',
        '~',
        'x'.repeat(512),
      ];
      for (const each of names) await store.addIfAbsent(each, one.toUpperCase().replace('SHA', 'sha'));
      for (const each of names) expect(await store.get(each)).toMatchObject({ fingerprint: one });
      expect(await store.get(name)).toMatchObject({ name });
    });

    it.each([
      ['[::1]:9000', ['[0:0:0:0:0:0:0:1]:9000', '[0000::0001]:9000', '[::0.0.0.1]:9000', '[0::1]:9000']],
      ['[2001:db8::a]:1', ['[2001:DB8:0:0::A]:1', '[2001:0db8:0000:0000:0000:0000:0000:000a]:1']],
      ['[::ffff:7f00:1]:1', ['[::ffff:127.0.0.1]:1', '[0:0:0:0:0:FFFF:127.0.0.1]:1']],
      ['[fe80::1%eth0]:1', ['[FE80:0::1%ETH0]:1']],
      ['2001:db8::1', ['2001:DB8:0::1']],
      ['example.org:9000', ['example.org.:9000', 'EXAMPLE.ORG.:9000', 'example.org..:9000']],
      ['example.org', ['example.org.', 'Example.Org.']],
    ])('finds %s under its other spellings', async (name_, spellings) => {
      for (const spelling of spellings) {
        const store = make();
        expect(await store.addIfAbsent(spelling, one)).toMatchObject({ name: name_ });
        for (const each of [name_, ...spellings]) {
          expect(await store.get(each)).toMatchObject({ name: name_, fingerprint: one });
          expect(await store.addIfAbsent(each, two)).toMatchObject({ fingerprint: one });
        }
        await store.replace(spelling, two, 'revoked');
        expect(await store.get(name_)).toMatchObject({ fingerprint: two, state: 'revoked' });
      }
    });

    it.each([
      ['unix:/run/app', 'unix:/run/app.'],
      ['unix:1', 'unix:1.'],
      ['[::1]:9000', '[::2]:9000'],
      ['[fe80::1%eth0]:1', '[fe80::1%eth1]:1'],
      ['127.0.0.1:1', '[::ffff:127.0.0.1]:1'],
      ['a.b:1', 'ab:1'],
      ['.', '..'],
      ['[1:2]:1', '[1::2]:1'],
    ])('distinguishes %s from %s', async (here, there) => {
      const store = make();
      await store.addIfAbsent(here, one);
      await store.addIfAbsent(there, two);
      expect(await store.get(here)).toMatchObject({ name: here, fingerprint: one });
      expect(await store.get(there)).toMatchObject({ fingerprint: two });
    });

    it.each(['', 'a b', 'a\nb', 'a\0', '#a', 'bücher:1', 'x'.repeat(513), 7 as never])(
      'rejects the name %j',
      async (bad) => {
        const store = make();
        await expect(store.get(bad)).rejects.toThrow(TypeError);
        await expect(store.addIfAbsent(bad, one)).rejects.toThrow(TypeError);
        await expect(store.replace(bad, one)).rejects.toThrow(TypeError);
        await expect(store.touch?.(bad, one)).rejects.toThrow(TypeError);
      },
    );

    it('rejects an invalid fingerprint or state', async () => {
      const store = make();
      await expect(store.addIfAbsent(name, 'sha256:12')).rejects.toThrow(TypeError);
      await expect(store.replace(name, `${one} `)).rejects.toThrow(TypeError);
      await expect(store.replace(name, one, 'gone' as never)).rejects.toThrow(/not "gone"/);
      expect(await store.get(name)).toBeUndefined();
    });
  });
}
