import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importKeyPair } from '../../lib/crypto/key-pair.js';
import { KeyMismatchError, PeerAlertError } from '../../lib/errors.js';
import type {
  EncryptedClientOptions,
  EncryptedServerOptions,
} from '../../lib/sockets/encrypted-socket-options.js';
import type { ClientPeer, Peer } from '../../lib/sockets/peer.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { fileKnownHosts } from '../../lib/trust/known-hosts-file.js';
import { turns } from '../support/recorder.js';
import { takeWarnings } from '../support/warnings.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { expectDiscreet, outcome, refused } from '../support/secrets.js';
import { textOf, until } from '../support/sockets.js';

const fixture = useFixture();

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'k4net-trust-'));
  fixture.onCleanup(() => rm(path, { recursive: true, force: true }));
  return path;
}

/**
 * How a handshake with these options comes out at the client, and what each side thinks of the
 * other.
 */
async function meet(
  client: EncryptedClientOptions,
  server: Partial<EncryptedServerOptions> = {},
): Promise<{ here: Peer; there: Peer; near: EncryptedSocket; far: EncryptedSocket }> {
  const { client: near, server: far } = await fixture.encryptedPair('memory', client, server);
  const [here, there] = await Promise.all([near.handshake(), far.handshake()]);
  expectDiscreet([near, far, here, there]);
  return { here, there, near, far };
}

/** How it fails, at both ends. */
async function part(
  client: EncryptedClientOptions,
  server: Partial<EncryptedServerOptions>,
  ...codes: string[]
): Promise<{ error: Error; there: string }> {
  const { client: near, server: far } = await fixture.encryptedPair('memory', client, server);
  const there = outcome(far.handshake());
  const error = await refused(near.handshake(), ...codes);
  expect((await near.closed).error).toBe(error);
  return { error, there: await there };
}

const right = keys.server.publicKey;
const wrong = keys.other.publicKey;
const known = { authenticated: true, fingerprint: right.fingerprint };

describe('the trust of a client in a server', () => {
  it.each([
    ['key, imported', { key: right }, 'key'],
    ['key, PEM', { key: right.toPem() }, 'key'],
    ['key, DER', { key: right.spki }, 'key'],
    ['pin, fingerprint', { pin: right.fingerprint }, 'pin'],
    ['pin, fingerprint in capitals', { pin: `sha256:${right.fingerprint.slice(7).toUpperCase()}` }, 'pin'],
    ['pin, PEM', { pin: right.toPem() }, 'pin'],
    ['pin, key', { pin: right }, 'pin'],
    ['pin, list of fingerprints', { pin: [wrong.fingerprint, right.fingerprint] }, 'pin'],
    ['pin, list of keys', { pin: [wrong.toPem(), right] }, 'pin'],
    ['pin, list of one', { pin: [right] }, 'pin'],
  ] as const)('accepts the right server by %s', async (_, client, how) => {
    const { here, near } = await meet(client);
    expect(here).toMatchObject({ ...known, how });
    expect(here.publicKey?.equals(right)).toBe(true);
    expect(near.peer).toEqual(here);
  });

  it.each([
    ['pin, fingerprint', { pin: wrong.fingerprint }],
    ['pin, list', { pin: [wrong.fingerprint, `sha256:${'0'.repeat(64)}`] }],
    ['pin, key', { pin: wrong }],
    ['pin, PEM', { pin: wrong.toPem() }],
  ] as const)('rejects a server with another key than its %s', async (_, client) => {
    const { error, there } = await part(client, {}, 'K4NET_KEY_MISMATCH');
    expect(error).toBeInstanceOf(KeyMismatchError);
    expect(error).toMatchObject({ expected: wrong.fingerprint, actual: right.fingerprint });
    expect(there).toBe('K4NET_PEER_CLOSED');
  });

  it('is an alert of a server that does not have the given key', async () => {
    const { error, there } = await part({ key: wrong }, {}, 'K4NET_PEER_ALERT');
    expect(error).toBeInstanceOf(PeerAlertError);
    expect(error).toMatchObject({ alert: 6, authenticated: false });
    expect(there).toBe('K4NET_UNKNOWN_SERVER_KEY');
  });

  it('with keyPath saves the key after the handshake, pins it, and never replaces it', async () => {
    const path = await folder();
    const keyPath = join(path, 'server');
    const { client: near, server: far } = await fixture.encryptedPair('memory', { keyPath });
    const shaken = near.handshake();
    expect(await readdir(path)).toEqual([]);
    await Promise.all([shaken, far.handshake()]);
    expect(near.peer).toMatchObject({ how: 'first-use', authenticated: false });
    expect(await readFile(`${keyPath}.pk`, 'utf8')).toBe(right.toPem());
    expect((await meet({ keyPath })).here).toMatchObject({ ...known, how: 'key' });
    const changed = await part({ keyPath }, { key: keys.other });
    expect(await readFile(`${keyPath}.pk`, 'utf8')).toBe(right.toPem());
    expect(await readdir(path)).toEqual(['server.pk']);
    expect(changed.error).toBeInstanceOf(KeyMismatchError);
    expect(changed.error).toMatchObject({ expected: right.fingerprint, actual: wrong.fingerprint });
  });

  it.each(['a store', 'a file'] as const)(
    'with known hosts in %s accepts the first key, then only that key',
    async (kind) => {
      const path = join(await folder(), 'hosts');
      const knownHosts = kind === 'a file' ? path : memoryKnownHosts();
      const store = typeof knownHosts === 'string' ? fileKnownHosts(knownHosts) : knownHosts;
      const client = { knownHosts, serverName: 'Example:1' };
      expect((await meet(client)).here).toMatchObject({ how: 'first-use', authenticated: false });
      const noted = await store.get('example:1');
      expect(noted).toMatchObject({ fingerprint: right.fingerprint, state: 'pinned' });
      expect((await meet(client)).here).toMatchObject({ ...known, how: 'known-hosts' });
      const text = kind === 'a file' ? await readFile(path, 'utf8') : '';
      const { error } = await part(client, { key: keys.other }, 'K4NET_KEY_MISMATCH');
      expect(error).toMatchObject({ expected: right.fingerprint, actual: wrong.fingerprint });
      expect(await store.get('example:1')).toEqual(noted);
      if (kind === 'a file') expect(await readFile(path, 'utf8')).toBe(text);
      // Another name is another server.
      expect((await meet({ knownHosts, serverName: 'example:2' }, { key: keys.other })).here.how).toBe(
        'first-use',
      );
    },
  );

  it('rejects every key of a server whose entry in known hosts is revoked', async () => {
    const knownHosts = memoryKnownHosts();
    await knownHosts.replace('a:1', right.fingerprint, 'revoked');
    for (const key of [keys.server, keys.other]) {
      await part({ knownHosts, serverName: 'a:1' }, { key }, 'K4NET_SERVER_AUTH');
    }
    expect(await knownHosts.get('a:1')).toMatchObject({ state: 'revoked', fingerprint: right.fingerprint });
  });

  it('rejects a key on first use if another handshake has stored another key in the meantime', async () => {
    const inner = memoryKnownHosts();
    const knownHosts = {
      get: () => Promise.resolve(undefined),
      addIfAbsent: async (name: string, fingerprint: string) => {
        await inner.addIfAbsent(name, wrong.fingerprint);
        return inner.addIfAbsent(name, fingerprint);
      },
      replace: () => Promise.reject(new Error('never')),
    };
    const { client: near, server: far } = await fixture.encryptedPair('memory', {
      knownHosts,
      serverName: 'a:1',
    });
    // The server has finished the handshake by then and sees only the end.
    const there = far.recv();
    const error = await refused(near.handshake(), 'K4NET_KEY_MISMATCH');
    expect(error).toMatchObject({ expected: wrong.fingerprint, actual: right.fingerprint });
    await refused(there, 'K4NET_TRUNCATED', 'K4NET_PEER_CLOSED');
  });

  it('stores no key if the handshake fails after the server has shown it', async () => {
    const keyPath = join(await folder(), 'server');
    const knownHosts = memoryKnownHosts();
    const strict = { clientAuth: 'required', authorize: () => false } as const;
    for (const clientKey of [undefined, keys.ec]) {
      const said = { ...(clientKey && { clientKey }), identifyToUnknownServer: true };
      const code = clientKey ? 'K4NET_PEER_ALERT' : 'K4NET_CLIENT_KEY_REQUIRED';
      const one = await part({ keyPath, ...said }, strict, code);
      expect(one.there).toBe(clientKey ? 'K4NET_CLIENT_KEY_REFUSED' : 'K4NET_PEER_ALERT');
      await part({ knownHosts, serverName: 'a:1', ...said }, strict, code);
    }
    await part(
      { knownHosts, serverName: 'a:1', appProtocols: ['x'] },
      { appProtocols: ['y'] },
      'K4NET_PEER_ALERT',
    );
    expect(await knownHosts.get('a:1')).toBeUndefined();
    expect(await readdir(join(keyPath, '..'))).toEqual([]);
  });

  it('with insecureAcceptAnyKey accepts any key without a warning, as unchecked', async () => {
    for (const key of [keys.server, keys.other]) {
      const { here } = await meet({ insecureAcceptAnyKey: true }, { key });
      expect(here).toMatchObject({ how: 'unchecked', authenticated: false, fingerprint: key.fingerprint });
    }
    expect(await takeWarnings()).toEqual([]);
  });

  it('without a trust option accepts any key, with one warning for the process', async () => {
    for (let i = 0; i < 3; i += 1) {
      expect((await meet({})).here).toMatchObject({ how: 'unchecked', authenticated: false });
    }
    expect((await takeWarnings()).map(({ code }) => code)).toEqual(['K4NET_UNAUTHENTICATED']);
  });
});

describe('a server with several keys', () => {
  const both = [keys.server, keys.other.toPem()];

  it('shows the first key to a client that asks, and accepts a client that knows any of them', async () => {
    for (const pin of [right.fingerprint, [wrong.fingerprint, right.fingerprint]]) {
      expect((await meet({ pin }, { key: both })).here.fingerprint).toBe(right.fingerprint);
    }
    for (const key of [right, wrong]) {
      expect((await meet({ key }, { key: both })).here.fingerprint).toBe(key.fingerprint);
      expect((await meet({ key }, { key: both.toReversed() })).here.fingerprint).toBe(key.fingerprint);
    }
    expect((await meet({ insecureAcceptAnyKey: true }, { key: both.toReversed() })).here.fingerprint).toBe(
      wrong.fingerprint,
    );
  });

  it('refuses a client that knows none of its keys', async () => {
    const { there } = await part({ key: keys.rsa.publicKey }, { key: both }, 'K4NET_PEER_ALERT');
    expect(there).toBe('K4NET_UNKNOWN_SERVER_KEY');
  });

  it('is rejected by a client that pins a key other than the first', async () => {
    const { error } = await part({ pin: wrong.fingerprint }, { key: both }, 'K4NET_KEY_MISMATCH');
    expect(error).toMatchObject({ expected: wrong.fingerprint, actual: right.fingerprint });
  });

  it('reads its keys from files', async () => {
    const path = await folder();
    const [one, two] = [join(path, 'one'), join(path, 'two')];
    await writeFile(`${one}.sk`, keys.server.toPem(), { mode: 0o600 });
    await writeFile(`${two}.sk`, keys.other.toPem(), { mode: 0o600 });
    const server = { keyPath: [one, two] };
    for (const key of [right, wrong]) {
      expect((await meet({ key }, server)).here.fingerprint).toBe(key.fingerprint);
    }
  });

  it('makes the file of the first key only, and no file if another one is missing', async () => {
    const path = await folder();
    const [one, two] = [join(path, 'one'), join(path, 'two')];
    const server = { keyPath: [one, two], keySize: 2048 } as const;
    const client = { insecureAcceptAnyKey: true };
    const { there } = await part(client, server, 'K4NET_PEER_ALERT', 'K4NET_PEER_CLOSED');
    expect(there).toBe('K4NET_FILE');
    expect(await readdir(path)).toEqual([]);
    await writeFile(`${two}.sk`, keys.other.toPem(), { mode: 0o600 });
    const { here } = await meet(client, server);
    expect((await readdir(path)).sort()).toEqual(['one.sk', 'two.sk']);
    expect(here.fingerprint).toBe((await importKeyPair(await readFile(`${one}.sk`, 'utf8'))).fingerprint);
  });

  it('throws for a key that no server can have', () => {
    const make = (): unknown =>
      new EncryptedSocket(memoryPair()[0], { isServer: true, key: [keys.server, keys.ec] });
    expect(make).toThrow('key: the key of a server must be an RSA key that can decrypt');
  });
});

describe('a server with serverNames', () => {
  const named = { serverNames: ['Chat.example.org', '[0:0:0:0:0:0:0:1]:9000'] };

  it.each(['chat.example.org', 'CHAT.EXAMPLE.ORG.', '[::1]:9000', undefined])(
    'accepts a client that asks for %s',
    async (serverName) => {
      for (const how of [{ key: right }, { pin: right.fingerprint }]) {
        expect((await meet({ ...how, serverName }, named)).there.serverName).toBe(serverName);
      }
    },
  );

  it.each(['mail.example.org', 'chat.example.org:9000', '[::2]:9000', '#'])(
    'refuses a client that asks for %s',
    async (serverName) => {
      for (const how of [{ key: right }, { pin: right.fingerprint }, { insecureAcceptAnyKey: true }]) {
        const { error, there } = await part({ ...how, serverName }, named, 'K4NET_PEER_ALERT');
        expect(error).toMatchObject({ alert: 6 });
        expect(there).toBe('K4NET_UNKNOWN_SERVER_KEY');
      }
    },
  );
});

describe('options of an encrypted socket', () => {
  const yes = (): boolean => true;
  const make = (options: object) => () => {
    const [near] = memoryPair();
    new EncryptedSocket(near, options);
  };

  it.each([
    [{ key: right, pin: right }, ["'key'", "'pin'"]],
    [{ keyPath: 'x', pin: right }, ["'keyPath'", "'pin'"]],
    [{ keyPath: 'x', knownHosts: true, serverName: 'x' }, ["'keyPath'", "'knownHosts'"]],
    [{ pin: right, insecureAcceptAnyKey: true }, ["'pin'", "'insecureAcceptAnyKey'"]],
    [
      { knownHosts: true, serverName: 'x', insecureAcceptAnyKey: true },
      ["'knownHosts'", "'insecureAcceptAnyKey'"],
    ],
    [{ knownHosts: true }, ["'knownHosts'", "'serverName'"]],
    [{ isServer: true, authorize: yes }, ["'authorize'", 'clientAuth']],
    [{ isServer: true, pin: right }, ["'pin'", 'server']],
    [{ isServer: true, knownHosts: true }, ["'knownHosts'"]],
    [{ clientAuth: 'wanted' }, ["'clientAuth'", 'client']],
    [{ authorize: yes }, ["'authorize'"]],
    [{ isServer: 'yes' }, ['isServer']],
    [{ pin: [] }, ['pin']],
    [{ kee: right }, ["'kee'"]],
    [{ insecureAcceptAnyKey: 1 }, ['insecureAcceptAnyKey']],
    [{ identifyToUnknownServer: 'no' }, ['identifyToUnknownServer']],
    [{ serverName: 'two words' }, ['serverName']],
    [{ knownHosts: {}, serverName: 'x' }, ['knownHosts']],
    [{ isServer: true, key: [] }, ['key']],
    [{ isServer: true, keyPath: [] }, ['keyPath']],
    [{ isServer: true, keyPath: ['x', ''] }, ['keyPath']],
    [{ isServer: true, keyPath: ['x', 7] }, ['keyPath']],
    [{ isServer: true, serverNames: [] }, ['serverNames']],
    [{ isServer: true, serverNames: 'chat' }, ['serverNames']],
    [{ isServer: true, serverNames: ['two words'] }, ['serverName', 'two words']],
    [{ isServer: true, serverNames: [7] }, ['serverName']],
    [{ serverNames: ['chat'] }, ["'serverNames'", 'client']],
    [{ isServer: true, clientAuth: 'maybe' }, ['clientAuth', 'maybe']],
    [{ appProtocols: [''] }, ['protocol']],
    [{ padding: 'some' }, ['some']],
  ] as const)(
    'throw a TypeError that quotes them if they exclude each other or are invalid: %o',
    (options, words) => {
      expect(make(options)).toThrow(TypeError);
      for (const word of words) expect(make(options)).toThrow(word);
    },
  );

  it.each([
    { recordLimit: 1000 },
    { handshakeTimeout: -1 },
    { handshakeTimeout: NaN },
    { isServer: true, keySize: 1024 },
    { recvSize: 0 },
  ])('throw a RangeError if they are out of range: %o', (options) => {
    expect(make(options)).toThrow(RangeError);
  });
});

describe('a client with a key of its own', () => {
  const named = { key: right };

  it.each([
    ['P-256', 'ec'],
    ['RSA', 'rsa'],
  ] as const)('of %s is identified by its key at a server that wants one', async (_, name) => {
    const pair = keys[name];
    for (const clientAuth of ['wanted', 'required'] as const) {
      for (const clientKey of [pair, pair.toPem()]) {
        const authorize = (client: ClientPeer): boolean => client.fingerprint === pair.fingerprint;
        const { there, far } = await meet({ ...named, clientKey }, { clientAuth, authorize });
        const unasked = await meet({ ...named, clientKey }, { clientAuth });
        expect(unasked.there).toMatchObject({ authenticated: false, how: 'client-key' });
        expect(there).toMatchObject({
          authenticated: true,
          how: 'client-key',
          fingerprint: pair.fingerprint,
        });
        expect(there.publicKey?.equals(pair.publicKey)).toBe(true);
        expect(far.peer).toEqual(there);
      }
    }
  });

  it('does not show its key unless the server wants one', async () => {
    for (const server of [{ clientAuth: 'none' }, {}] as const) {
      const { there } = await meet({ ...named, clientKey: keys.ec }, server);
      expect(there).toMatchObject({ authenticated: false, how: 'none', fingerprint: undefined });
    }
  });

  it('is accepted without a key if one is wanted, and refused if one is required', async () => {
    expect((await meet(named, { clientAuth: 'wanted' })).there.how).toBe('none');
    expect((await meet(named, { clientAuth: 'none' })).there.how).toBe('none');
    const { there } = await part(named, { clientAuth: 'required' }, 'K4NET_CLIENT_KEY_REQUIRED');
    expect(there).toBe('K4NET_PEER_ALERT');
  });

  it.each([
    ['true', (): boolean => true, true],
    ['false', (): boolean => false, false],
    ['a promise of true', (): Promise<boolean> => Promise.resolve(true), true],
    ['a promise of false', (): Promise<boolean> => Promise.resolve(false), false],
    ['a promise of true after a while', (): Promise<boolean> => turns(30).then(() => true), true],
    ['nothing', (() => undefined) as unknown as () => boolean, false],
  ] as const)('is accepted only if authorize returns true: %s', async (_, authorize, welcome) => {
    const asked: unknown[] = [];
    const client = { ...named, clientKey: keys.ec, serverName: 'inn', appProtocols: ['chat'] };
    const server: Partial<EncryptedServerOptions> = {
      clientAuth: 'required',
      appProtocols: ['chat'],
      authorize: (peer) => {
        asked.push(peer);
        return authorize();
      },
    };
    if (welcome) {
      expect((await meet(client, server)).there.fingerprint).toBe(keys.ec.fingerprint);
    } else {
      const { error, there } = await part(client, server, 'K4NET_PEER_ALERT');
      expect(error).toMatchObject({ alert: 9, authenticated: true });
      expect(there).toBe('K4NET_CLIENT_KEY_REFUSED');
    }
    expect(asked).toEqual([
      {
        fingerprint: keys.ec.fingerprint,
        publicKey: expect.anything() as unknown,
        serverName: 'inn',
        appProtocol: 'chat',
      },
    ]);
  });

  it.each([
    [
      'throws',
      (): boolean => {
        throw new Error('out of order');
      },
    ],
    ['rejects', (): Promise<boolean> => Promise.reject(new Error('out of order'))],
  ] as const)('is refused if authorize %s, and does not learn the error', async (_, authorize) => {
    const client = { ...named, clientKey: keys.ec };
    const { error, there } = await part(client, { clientAuth: 'wanted', authorize }, 'K4NET_PEER_ALERT');
    expect(error).toMatchObject({ alert: 9 });
    expect(error.message).not.toContain('out of order');
    expect(there).toBe('K4NET_CLIENT_KEY_REFUSED');
  });

  it('does not show its key on first use, unless identifyToUnknownServer is set', async () => {
    const clientKey = keys.ec;
    const wanted = { clientAuth: 'wanted' } as const;
    const keyPath = join(await folder(), 'server');
    const knownHosts = memoryKnownHosts();
    const first: EncryptedClientOptions[] = [
      { keyPath, clientKey },
      { knownHosts, serverName: 'a:1', clientKey },
      { insecureAcceptAnyKey: true, clientKey },
    ];
    for (const client of first) expect((await meet(client, wanted)).there.how).toBe('none');
    await part(
      { insecureAcceptAnyKey: true, clientKey },
      { clientAuth: 'required' },
      'K4NET_CLIENT_KEY_REQUIRED',
    );
    // The second time the first two know it.
    expect((await meet(first[0]!, wanted)).there.how).toBe('client-key');
    expect((await meet(first[1]!, wanted)).there.how).toBe('client-key');
    expect((await meet(first[2]!, wanted)).there.how).toBe('none');
    const open = { insecureAcceptAnyKey: true, clientKey, identifyToUnknownServer: true };
    expect((await meet(open, wanted)).there.how).toBe('client-key');
    expect((await meet({ pin: right.fingerprint, clientKey }, wanted)).there.how).toBe('client-key');
  });

  it('stays in the connecting state, and delivers nothing, until authorize has settled', async () => {
    let admit: ((welcome: boolean) => void) | undefined;
    const authorize = () => new Promise<boolean>((resolve) => (admit = resolve));
    const { client: near, server: far } = await fixture.encryptedPair(
      'memory',
      { ...named, clientKey: keys.ec },
      { clientAuth: 'required', authorize },
    );
    void near.send('early');
    const got = far.recv();
    await until(() => admit !== undefined);
    await turns(20);
    expect(near.readyState).toBe('connecting');
    expect(far.stats().bytesReceived).toBe(0);
    admit?.(true);
    expect(textOf(await got)).toBe('early');
    expect(near.readyState).toBe('open');
  });

  it('fails the handshake with K4NET_FILE if the pinned key file is invalid', async () => {
    const file = join(await folder(), 'broken.pk');
    await writeFile(file, keys.server.toPem());
    await part({ keyPath: file }, {}, 'K4NET_FILE');
    await writeFile(file, '');
    await part({ keyPath: file }, {}, 'K4NET_FILE');
  });
});
