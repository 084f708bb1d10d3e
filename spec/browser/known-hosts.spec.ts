import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { libraryRoutes, libraryScript, type LibraryScope } from './built.js';
import { openPlace, places, startChromium, type Place } from './chromium.js';
import type { DocumentLike, FactoryLike, SubtleLike } from './dom.js';
import { startSite } from './site.js';

const chromium = await startChromium();
const site = await startSite(libraryRoutes);
afterAll(async () => {
  await chromium.close();
  await site.close();
});

let context: Awaited<ReturnType<typeof chromium.newContext>>;
beforeEach(async () => {
  context = await chromium.newContext();
});
afterEach(() => context.close());

const open = (place: 'page' | 'worker' = 'page'): Promise<Place> =>
  openPlace(context, site.origin, libraryScript, place);

describe('tabs that share a store of known hosts in IndexedDB', () => {
  it('agree on one key for a name', async () => {
    const tabs = await Promise.all([open(), open(), open('worker')]);
    const found = await Promise.all(
      tabs.map(({ evaluate }, index) =>
        evaluate(async (each) => {
          const { k4net } = globalThis as unknown as LibraryScope;
          const mine = `sha256:${String(each).repeat(64)}`;
          const { fingerprint } = await k4net.indexedDbKnownHosts().addIfAbsent('example.org:1', mine);
          return fingerprint;
        }, index),
      ),
    );
    expect(new Set(found).size).toBe(1);
  });

  it('lose none of 300 entries that they add at the same time', async () => {
    const tabs = await Promise.all([open(), open(), open('worker')]);
    await Promise.all(
      tabs.map(({ evaluate }, index) =>
        evaluate(async (each) => {
          const { k4net } = globalThis as unknown as LibraryScope;
          const store = k4net.indexedDbKnownHosts();
          const fingerprint = `sha256:${String(each).repeat(64)}`;
          const names = Array.from({ length: 100 }, (_, host) => `tab-${each}-host-${host}:1`);
          await Promise.all(names.map((name) => store.addIfAbsent(name, fingerprint)));
        }, index),
      ),
    );
    const kept = await tabs[0].evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const store = k4net.indexedDbKnownHosts();
      const names = [0, 1, 2].flatMap((tab) =>
        Array.from({ length: 100 }, (_, host) => `tab-${tab}-host-${host}:1`),
      );
      return Promise.all(names.map((name) => store.get(name)));
    });
    expect(kept.filter((host) => host?.state === 'pinned')).toHaveLength(300);
  });

  it.each([
    ['of a later version', 2, 'known-hosts'],
    ['without the object store', 1, 'other'],
  ])('reject a database %s with K4NET_STORE, its name and the cure', async (_, version, store) => {
    const tab = await open();
    const said = await tab.evaluate(
      async ([number, name]) => {
        const { k4net, indexedDB } = globalThis as unknown as LibraryScope & {
          indexedDB: { open(name: string, version: number): FactoryRequest };
        };
        interface FactoryRequest {
          readonly result: { createObjectStore(name: string): unknown; close(): void };
          onupgradeneeded: () => void;
          onsuccess: () => void;
        }
        await new Promise<void>((resolve) => {
          const opening = indexedDB.open('taken', number);
          opening.onupgradeneeded = () => {
            opening.result.createObjectStore(name);
          };
          opening.onsuccess = () => {
            opening.result.close();
            resolve();
          };
        });
        const found = k4net.indexedDbKnownHosts('taken').get('example.org:1');
        return found.then(
          () => ['no error'],
          (error: unknown) => {
            const { code, message } = error as { code: string; message: string };
            return [code, message];
          },
        );
      },
      [version, store] as const,
    );
    expect(said[0]).toBe('K4NET_STORE');
    expect(said[1]).toContain('the database of known hosts "taken" failed');
    expect(said[1]).toContain('another one');
  });

  it('do not block a deletion of the database in another tab', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const fingerprint = `sha256:${'1'.repeat(64)}`;
    await one.evaluate(async (print) => {
      const { k4net } = globalThis as unknown as LibraryScope;
      await k4net.indexedDbKnownHosts().replace('example.org:1', print);
    }, fingerprint);
    const outcome = await two.evaluate(async () => {
      const { indexedDB } = globalThis as unknown as { indexedDB: { deleteDatabase(name: string): object } };
      return new Promise<string>((resolve) => {
        Object.assign(indexedDB.deleteDatabase('k4net'), {
          onsuccess: () => {
            resolve('deleted');
          },
          onblocked: () => {
            resolve('blocked');
          },
          onerror: () => {
            resolve('failed');
          },
        });
      });
    });
    expect(outcome).toBe('deleted');
    const known = await one.evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      return k4net.indexedDbKnownHosts().get('example.org:1');
    });
    expect(known).toBeUndefined();
  });
});

describe.each(places)('a client in a %s', (place) => {
  it('keeps a private key that cannot be exported in IndexedDB, and another tab uses it', async () => {
    const fingerprint = await (
      await open(place)
    ).evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const { crypto } = globalThis as unknown as { crypto: { subtle: SubtleLike } };
      const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
        'sign',
        'verify',
      ]);
      const { indexedDB } = globalThis as unknown as { indexedDB: FactoryLike };
      await new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('identity');
        opening.onupgradeneeded = () => {
          opening.result.createObjectStore('keys').put(keys, 'mine');
        };
        opening.onsuccess = () => {
          opening.result.close();
          resolve();
        };
        opening.onerror = reject;
      });
      return (await k4net.importKeyPair(keys as never)).publicKey.fingerprint;
    });
    const outcome = await (
      await open(place)
    ).evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const { indexedDB } = globalThis as unknown as { indexedDB: FactoryLike };
      const clientKey = await new Promise<{ readonly privateKey: { readonly extractable: boolean } }>(
        (resolve, reject) => {
          const opening = indexedDB.open('identity');
          opening.onsuccess = () => {
            const reading = opening.result.transaction('keys').objectStore('keys').get('mine');
            reading.onsuccess = () => {
              resolve(reading.result as never);
            };
            opening.result.close();
          };
          opening.onerror = reject;
        },
      );
      const key = await k4net.generateKeyPair({ keySize: 2048 });
      const [near, far] = k4net.memoryPair();
      const client = new k4net.EncryptedSocket(near, {
        key: key.publicKey,
        clientKey: clientKey as never,
      });
      const server = new k4net.EncryptedSocket(far, { isServer: true, key, clientAuth: 'required' });
      await Promise.all([client.handshake(), server.handshake()]);
      const shown = server.peer?.fingerprint;
      await Promise.all([client.close(), server.close()]);
      return { shown, extractable: clientKey.privateKey.extractable };
    });
    expect(outcome).toEqual({ shown: fingerprint, extractable: false });
  });
});

describe('where a browser denies something', () => {
  it('a store in a sandboxed frame rejects with K4NET_UNSUPPORTED and a cure', async () => {
    const { page } = await open();
    await page.evaluate(async (script) => {
      const { document } = globalThis as unknown as { document: DocumentLike };
      const element = document.createElement('iframe');
      element.setAttribute('sandbox', 'allow-scripts');
      element.setAttribute('srcdoc', `<script type="module" src="${script}"></script>`);
      const loaded = new Promise((resolve) => Object.assign(element, { onload: resolve }));
      document.body.append(element);
      await loaded;
    }, libraryScript);
    const [, frame] = page.frames();
    const outcome = await frame!.evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const error = (await k4net
        .indexedDbKnownHosts()
        .get('example.org:1')
        .catch((thrown: unknown) => thrown)) as Error & { code: string };
      return { code: error.code, message: error.message };
    });
    expect(outcome).toMatchObject({ code: 'K4NET_UNSUPPORTED' });
    expect(outcome.message).toMatch(/memoryKnownHosts\(\).*'pin'/);
  });
});
