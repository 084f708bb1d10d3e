import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { generateKeyPair, importKeyPair } from '../../lib/crypto/keys.js';
import { K4netError, KeyMismatchError } from '../../lib/errors.js';
import { addressNames } from '../../lib/net/address.js';
import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { queueSocketNames } from '../../lib/queue/queue-socket-options.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { EncryptedSocket, type EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import {
  clientNames,
  serverNames,
  sessionNames,
  type EncryptedSocketOptions,
} from '../../lib/sockets/encrypted-socket-options.js';
import { lockedSocketNames } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { memoryKnownHosts, type KnownHost, type KnownHosts } from '../../lib/trust/known-hosts.js';
import { Ends, keys } from '../support/encrypted.js';
import { textOf } from '../support/sockets.js';

const ends = new Ends();
const right = keys.server.publicKey;
const wrong = keys.other.publicKey;
const polluted: string[] = [];

afterEach(async () => {
  unpollute();
  await ends.clear();
});

/** What a careless merge of options elsewhere in the program can do. */
function pollute(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    polluted.push(name);
    Object.defineProperty(Object.prototype, name, {
      value,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
}

function unpollute(): void {
  for (const name of polluted.splice(0)) Reflect.deleteProperty(Object.prototype, name);
}

async function open(
  options: Partial<EncryptedListenOptions> = {},
): Promise<{ server: Server<EstablishedSocket>; port: number; errors: unknown[] }> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const server = await listen({ port: 0, key: keys.server, onError, ...options });
  ends.onClear(() => server.close({ timeout: 0 }));
  void server.serve(async (sock) => {
    for await (const message of sock) await sock.send(message);
  });
  return { server, port: (server.address() as { port: number }).port, errors };
}

async function dial(options: EncryptedConnectOptions): Promise<EstablishedSocket> {
  const socket = await connect({ retry: false, ...options });
  ends.onClear(() => socket.close(undefined, { timeout: 0 }));
  return socket;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error,
  );
}

/** Hostile values, each of which some option would take. */
const hostileValues: readonly unknown[] = [
  true,
  1,
  '/no/such/folder/polluted',
  wrong.fingerprint,
  new Uint8Array(32),
  keys.ec,
  wrong,
  (): string => 'known',
];

/**
 * The only hostile values of these names that Node itself bears: `new Socket` and `new Server` copy their options into
 * object literals, and so throw for an inherited `signal` that is no AbortSignal and a `highWaterMark` that is no number.
 */
const bearableValues: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['signal', [new AbortController().signal]],
  ['highWaterMark', [1]],
]);

/** Options of the public functions, and what the library hands on inside, to Node and to its dependencies. */
const optionNames: readonly string[] = [
  ...new Set([
    ...addressNames,
    ...lockedSocketNames,
    ...sessionNames,
    ...clientNames,
    ...serverNames,
    ...queueSocketNames,
    ...['plain', 'timeout', 'signal', 'retry', 'retries', 'minDelay', 'maxDelay', 'isServer'],
    ...['maxPending', 'ephemeralKey', 'maxHandshakes', 'maxHandshakesPerAddress', 'maxConnections'],
    ...['block', 'priority', 'type', 'interval', 'staleAfter', 'message', 'id'],
    ...['random', 'premaster', 'ciphertext', 'ephemeral', 'signature', 'extensions', 'rejectPremaster'],
    ...['identity', 'serverKey', 'decideServerKey', 'scheduleDecryption', 'onHello', 'appProtocol'],
    ...['limit', 'awaitConfirm', 'maxKeyChanges', 'now', 'firstSeq', 'firstBytes'],
    ...['rekeyRecords', 'rekeyBytes', 'context', 'length', 'firstUse', 'succeeded', 'confirmed'],
    ...['carryoverConcurrencyCount', 'once', 'cause', 'exclusive', 'backlog', 'lookup', 'localPort'],
  ]),
];

/** What a program does with encrypted sockets, as plain values. */
async function everything(): Promise<unknown> {
  const asked: string[] = [];
  const errors: unknown[] = [];
  const server = await listen({
    port: 0,
    key: keys.server,
    clientAuth: 'wanted',
    authorize: ({ fingerprint }) => fingerprint === keys.ec.fingerprint,
    onError: (error) => void errors.push(K4netError.is(error) ? error.code : error),
  });
  const served = server.serve(async (sock) => {
    await sock.send(await sock.recv());
    const queue = new QueueSocket(sock);
    queue.registerCallback('echo', (reader) => reader.read());
    queue.start();
    await queue.closed;
  });
  const { port } = server.address() as { port: number };
  const sock = await connect({ port, pin: right.fingerprint, clientKey: keys.ec, retry: false });
  await sock.send('hello');
  const echo = textOf(await sock.recv({ timeout: 5_000 }));
  const queue = new QueueSocket(sock);
  queue.start();
  const answer = textOf((await queue.call('echo', 'x', { timeout: 5_000 })).read());
  await queue.close();
  const mismatch = await failure(connect({ port, pin: wrong.fingerprint, retry: false }));
  const store = memoryKnownHosts();
  await store.addIfAbsent(`127.0.0.1:${port}`, wrong.fingerprint);
  const knownHosts: KnownHosts = {
    get: (name) => {
      asked.push(name.replace(`${port}`, 'port'));
      return store.get(name);
    },
    addIfAbsent: (name, fingerprint) => store.addIfAbsent(name, fingerprint),
    replace: (name, fingerprint) => store.replace(name, fingerprint),
  };
  const unknown = await failure(connect({ port, knownHosts, retry: false }));
  await server.close({ timeout: 1_000 });
  await served;
  const { peer } = sock;
  return {
    echo,
    answer,
    how: peer.how,
    fingerprint: peer.fingerprint,
    serverName: peer.serverName,
    appProtocol: peer.appProtocol,
    mismatch: codeOf(mismatch),
    unknown: codeOf(unknown),
    asked,
    errors,
  };
}

function codeOf(error: unknown): unknown {
  return K4netError.is(error) ? error.code : error;
}

describe('a polluted Object.prototype', () => {
  it.each(optionNames)('changes nothing by the name %s', async (name) => {
    for (const value of bearableValues.get(name) ?? hostileValues) {
      pollute({ [name]: value });
      const found = await everything().catch((error: unknown) => error);
      unpollute();
      expect(found, `${name}: ${String(value)}`).toEqual({
        echo: 'hello',
        answer: 'x',
        how: 'pin',
        fingerprint: right.fingerprint,
        serverName: undefined,
        appProtocol: undefined,
        mismatch: 'K4NET_KEY_MISMATCH',
        unknown: 'K4NET_KEY_MISMATCH',
        asked: ['127.0.0.1:port'],
        errors: ['K4NET_PEER_CLOSED', 'K4NET_PEER_CLOSED'],
      });
    }
  });

  it('changes neither the path of a Unix socket nor the address of its server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k4net-options-'));
    ends.onClear(() => rm(folder, { recursive: true }));
    const path = join(folder, 'socket');
    pollute({ port: 1, host: 'nowhere.invalid', path: '/no/such/folder/polluted' });
    pollute({ handshakes: true, fingerprints: [wrong.fingerprint] });
    const server = await listen({ path, plain: true });
    const sock = await connect({ path, plain: true, retry: false });
    const second = await failure(listen({ path, plain: true }));
    const { value: accepted } = await server[Symbol.asyncIterator]().next();
    const { fingerprint } = server;
    unpollute();
    expect(accepted).toBeInstanceOf(LockedSocket);
    expect(fingerprint).toBeUndefined();
    expect(server.address()).toEqual({ path });
    expect(second).toMatchObject({ code: 'K4NET_LISTEN', cause: { code: 'EADDRINUSE' } });
    await sock.close(undefined, { timeout: 0 });
    await server.close({ timeout: 0 });
  });

  it('accepts no other key than the known one because of insecureAcceptAnyKey or knownHosts', async () => {
    const { port } = await open();
    const knownHosts = memoryKnownHosts();
    await knownHosts.addIfAbsent('inn', wrong.fingerprint);
    pollute({ insecureAcceptAnyKey: true, identifyToUnknownServer: true });
    expect(await failure(dial({ port, knownHosts, serverName: 'inn' }))).toBeInstanceOf(KeyMismatchError);
  });

  it('sets no plain, authorize or clientAuth for listen, and opens no queue without an owner', async () => {
    pollute({
      plain: true,
      authorize: () => true,
      clientAuth: 'none',
      ephemeralKey: true,
      unmatched: 'drop',
    });
    const { port } = await open({ clientAuth: 'required', authorize: () => false });
    const refusal = await failure(dial({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(refusal).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 9 });
    expect(await failure(listen({ port: 0 }))).toBeInstanceOf(TypeError);
  });

  it('sets no option of a socket, a wait, a queue or a key', async () => {
    pollute({ maxSize: 0, recvSize: 1, timeout: 1, block: false, priority: 1, concurrency: 0, keySize: 1 });
    pollute({ signal: AbortSignal.abort(new Error('of the prototype')), customTimers: {}, fallback: 1 });
    const [near, far] = memoryPair();
    const one = new LockedSocket(near);
    const queue = new QueueSocket(new LockedSocket(far), { unmatched: 'queue' });
    queue.registerCallback('echo', (reader) => reader.read());
    queue.start();
    const caller = new QueueSocket(one);
    caller.start();
    expect(textOf((await caller.call('echo', 'x')).read())).toBe('x');
    expect((await generateKeyPair({ type: 'p256' })).canSign).toBe(true);
    await Promise.all([caller.close(), queue.close()]);
  });
});

describe('a security option that is present but undefined', () => {
  const memory = (options: object): EncryptedSocket => new EncryptedSocket(memoryPair()[0], options);

  it.each(['key', 'keyPath', 'pin', 'knownHosts', 'insecureAcceptAnyKey', 'clientKey'])(
    'is a TypeError of a client: %s',
    async (name) => {
      const error = await failure(
        connect({ port: 1, [name]: undefined } as unknown as EncryptedConnectOptions),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(`'${name}'`);
      expect(() => memory({ [name]: undefined })).toThrow(TypeError);
    },
  );

  it.each(['key', 'keyPath', 'clientAuth', 'authorize'])('is a TypeError of a server: %s', async (name) => {
    const options = { port: 0, ephemeralKey: true, [name]: undefined } as unknown as EncryptedListenOptions;
    expect(await failure(listen(options))).toBeInstanceOf(TypeError);
    expect(() => memory({ isServer: true, [name]: undefined })).toThrow(TypeError);
  });

  it('refuses key together with keyPath, at both sides', async () => {
    const both = { key: keys.server, keyPath: 'x' };
    expect(await failure(listen({ port: 0, ...both }))).toBeInstanceOf(TypeError);
    expect(() => memory({ isServer: true, ...both })).toThrow(/'key' and 'keyPath'/);
    expect(() => memory({ key: right, keyPath: 'x' })).toThrow(/'key' and 'keyPath'/);
  });
});

describe('a wrong key in the options', () => {
  const notRsa = keys.ec.publicKey;
  const damaged = right.toPem().replace(/MII[A-Za-z0-9+/]{40}/, 'AAAA');
  const wrongs: readonly [string, unknown][] = [
    ['null', null],
    ['a number', 42],
    ['text', 'sha256'],
    ['a short fingerprint', 'sha256:00'],
    ['a fingerprint with a letter that is no digit', `sha256:${'g'.repeat(64)}`],
    ['a P-256 key', notRsa],
    ['a P-256 key in PEM', notRsa.toPem()],
    ['a P-256 key in DER', notRsa.spki],
    ['a private key in PEM', keys.server.toPem()],
    ['damaged PEM', damaged],
    ['no DER', new Uint8Array(10)],
    ['an empty list', []],
    ['a list with null', [right.fingerprint, null]],
  ];

  it.each(wrongs)('as pin is a TypeError when connect is called: %s', async (_, pin) => {
    const error = await failure(
      connect({ port: 1, retry: false, pin } as unknown as EncryptedConnectOptions),
    );
    expect(error).toBeInstanceOf(TypeError);
    expect(() => new EncryptedSocket(memoryPair()[0], { pin } as EncryptedSocketOptions)).toThrow(TypeError);
  });

  it.each(wrongs.slice(0, 2).concat(wrongs.slice(5, 11)))('as key is a TypeError at once: %s', (_, key) => {
    expect(() => new EncryptedSocket(memoryPair()[0], { key } as EncryptedSocketOptions)).toThrow(TypeError);
  });

  it.each([
    ['clientKey', { clientKey: 'no key' }],
    ['clientKey null', { clientKey: null }],
    ['server key', { isServer: true, key: 42 }],
    ['public server key', { isServer: true, key: right.toPem() }],
  ])('as %s is a TypeError at once, and says nothing of the key', (_, options) => {
    const make = (): unknown =>
      new EncryptedSocket(memoryPair()[0], options as unknown as EncryptedSocketOptions);
    expect(make).toThrow(TypeError);
    expect(make).not.toThrow(/BEGIN/);
  });
});

describe('a key or name that no handshake could use', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { publicKey: exponentThree } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const der = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
  const even = right.spki;
  // The exponent takes the last five bytes.
  even[even.length - 6] = 0;
  // The length of the outer sequence in one byte more than it needs.
  const longer = Uint8Array.of(0x30, 0x83, 0, ...right.spki.subarray(2));

  const { subtle } = webcrypto;
  const rsa = { modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  const generated = (algorithm: object, extractable: boolean, usages: readonly string[]) =>
    subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, extractable, usages as webcrypto.KeyUsage[]);
  const oaep = { ...rsa, name: 'RSA-OAEP' };
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };

  const make = (options: object) => () => {
    new EncryptedSocket(memoryPair()[0], options);
  };

  it.each<[string, object, string | RegExp]>([
    ['a text as appProtocols', { appProtocols: 'x/1' }, 'appProtocols is a list of strings, not string'],
    [
      'a list of numbers as appProtocols',
      { appProtocols: [5] },
      'appProtocols is a list of strings, not of number',
    ],
    ['a number as serverName', { serverName: 5 }, 'serverName is a string, not number'],
    [
      'a number as serverName for a store',
      { serverName: 5, knownHosts: true },
      'serverName is a string, not number',
    ],
    ['an empty pin', { pin: '' }, /^pin is an empty string$/],
    [
      'a pin of other text',
      { pin: 'abc' },
      /^pin is neither a fingerprint \('sha256:' .*\) nor a public key in PEM$/,
    ],
    ['an exponent of 3 as pin', { pin: der(exponentThree) }, 'exponent 65537'],
    ['an even modulus as pin', { pin: even }, 'modulus of an RSA key is even'],
    ['another DER form as key', { key: longer }, 'not in its canonical DER form'],
    ['1024 bits as key', { key: der(publicKey) }, '2048 to 4096 bits, not 1024'],
    ['a path as key', { key: './server' }, /\(a path\? use keyPath\)$/],
    ['a path as key of a server', { isServer: true, key: './server' }, /^key: .* \(a path\? use keyPath\)$/],
    ['half a CryptoKey as key', { key: { type: 'public', extractable: true } }, 'not Object'],
    ['a P-256 key of a server', { isServer: true, key: keys.ec }, 'an RSA key that can decrypt'],
    [
      'a P-256 key of a server in PEM',
      { isServer: true, key: keys.ec.toPem() },
      'an RSA key that can decrypt',
    ],
    ['a public key as clientKey', { clientKey: right.spki }, 'neither PKCS#8 nor PKCS#1'],
    [
      '1024 bits as clientKey',
      { clientKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) },
      '2048 to 4096 bits, not 1024',
    ],
    ['numbers as clientKey', { clientKey: { privateKey: 1, publicKey: 2 } }, 'a private CryptoKey is for'],
  ])('is a TypeError at once: %s', (_, options, message) => {
    expect(make(options)).toThrow(TypeError);
    expect(make(options)).toThrow(message);
    expect(make(options)).not.toThrow(/abc|BEGIN|\.\/server/);
  });

  it('is a TypeError when connect and listen are called', async () => {
    const bare = { port: 1, retry: false, pin: right.fingerprint } as const;
    for (const options of [{ appProtocols: 'x/1' }, { serverName: 5 }, { clientKey: right.spki }]) {
      expect(await failure(connect({ ...bare, ...options } as never))).toBeInstanceOf(TypeError);
    }
    for (const options of [{ key: keys.ec }, { ephemeralKey: true, appProtocols: 'x/1' }]) {
      expect(await failure(listen({ port: 0, ...options } as never))).toBeInstanceOf(TypeError);
    }
  });

  it('is a TypeError at once: a CryptoKey of another kind, size or purpose', async () => {
    const small = await generated(oaep, true, ['encrypt', 'decrypt']);
    expect(make({ key: small.publicKey })).toThrow('2048 to 4096 bits, not 1024');
    expect(make({ pin: small.publicKey })).toThrow('2048 to 4096 bits, not 1024');

    const decrypting = await generated({ ...oaep, modulusLength: 2048 }, false, ['encrypt', 'decrypt']);
    const p384 = await generated({ ...ecdsa, namedCurve: 'P-384' }, true, ['sign', 'verify']);
    const p256 = await generated(ecdsa, false, ['sign', 'verify']);
    const mixed = { privateKey: p256.privateKey, publicKey: decrypting.publicKey };
    const swapped = { privateKey: p256.publicKey, publicKey: p256.privateKey };
    const imported = await importKeyPair(decrypting);
    for (const clientKey of [decrypting, imported, p384, mixed, swapped, small]) {
      expect(make({ clientKey })).toThrow(TypeError);
    }
    for (const key of [p256, p384, mixed, small]) {
      expect(make({ isServer: true, key })).toThrow(TypeError);
    }
    expect(make({ clientKey: p256 })).not.toThrow();
    for (const key of [decrypting, imported]) expect(make({ isServer: true, key })).not.toThrow();
  });
});

describe('a server that has another key', () => {
  it.each([
    ['fingerprint', wrong.fingerprint],
    ['PEM', wrong.toPem()],
    ['key', wrong],
  ] as const)('is a key mismatch after one attempt when the pin is a %s', async (_, pin) => {
    const { port } = await open();
    const relay = await ends.relay(port);
    const error = await failure(connect({ port: relay.port, pin, retry: { retries: 3, minDelay: 1 } }));
    expect(error).toMatchObject({
      code: 'K4NET_KEY_MISMATCH',
      expected: wrong.fingerprint,
      actual: right.fingerprint,
    });
    expect(relay.connections).toBe(1);
  });

  it('is an alert after one attempt when the client has a key instead of a pin', async () => {
    const { port } = await open();
    const relay = await ends.relay(port);
    const retry = { retries: 3, minDelay: 1 };
    const error = await failure(connect({ port: relay.port, key: wrong, retry }));
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 6 });
    expect(relay.connections).toBe(1);
  });
});

describe('functions of the program that fail', () => {
  it('gives the error of authorize to onError, and refuses the client without a reason', async () => {
    const broken = new Error('the database is down');
    const { port, errors } = await open({
      clientAuth: 'required',
      authorize: () => {
        throw broken;
      },
    });
    const error = await failure(dial({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 9 });
    expect((error as Error).message).not.toContain('database');
    expect(errors).toEqual([broken]);
  });

  it('gives onError an error of its own for an authorize that throws undefined', async () => {
    function* never(): Generator<boolean> {
      yield false;
    }
    const { port, errors } = await open({
      clientAuth: 'required',
      authorize: () => never().throw(undefined).done === true,
    });
    await failure(dial({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(errors).toEqual([new TypeError("'authorize' threw undefined")]);
  });

  it('takes a null of a known-hosts store for a server that is not known', async () => {
    const { port } = await open();
    const memory = memoryKnownHosts();
    const store = {
      get: () => Promise.resolve(null as unknown as undefined),
      addIfAbsent: (name: string, fingerprint: string) => memory.addIfAbsent(name, fingerprint),
      replace: (): Promise<void> => Promise.resolve(),
    };
    const sock = await dial({ port, knownHosts: store, serverName: 'inn' });
    expect(sock.peer.how).toBe('first-use');
    expect(await memory.get('inn')).toMatchObject({ fingerprint: right.fingerprint });
  });

  const host = { name: 'inn', state: 'pinned', firstSeen: '2026-01-01', lastSeen: '2026-01-01' } as const;
  it.each([
    ['get rejects', { get: () => Promise.reject(new Error('offline')) }],
    ['get answers with no fingerprint', { get: () => Promise.resolve({ ...host, fingerprint: 'x' }) }],
    [
      'get answers with another state',
      { get: () => Promise.resolve({ ...host, fingerprint: right.fingerprint, state: 'weird' as never }) },
    ],
    [
      'addIfAbsent answers with another state',
      {
        addIfAbsent: (name: string, fingerprint: string) =>
          Promise.resolve({ ...host, name, fingerprint, state: 'Revoked' as never }),
      },
    ],
    ['addIfAbsent throws', { addIfAbsent: () => Promise.reject(new Error('full')) }],
    ['addIfAbsent answers nothing', { addIfAbsent: () => Promise.resolve(undefined as never) }],
  ])('reports K4NET_STORE for a known-hosts store whose %s', async (_, changes) => {
    const { port } = await open();
    const store = {
      get: (): Promise<KnownHost | undefined> => Promise.resolve(undefined),
      addIfAbsent: (name: string, fingerprint: string): Promise<KnownHost> =>
        Promise.resolve({ ...host, name, fingerprint }),
      replace: (): Promise<void> => Promise.resolve(),
      ...changes,
    };
    expect(K4netError.is(await failure(dial({ port, knownHosts: store })), 'K4NET_STORE')).toBe(true);
  });
});

describe('different application protocols', () => {
  it('are an error that names both lists at both ends, after one attempt', async () => {
    const { port, errors } = await open({ appProtocols: ['notes/2', 'notes/1'] });
    const relay = await ends.relay(port);
    const options = { pin: right.fingerprint, appProtocols: ['mail/1'], retry: { retries: 3, minDelay: 1 } };
    const error = (await failure(connect({ port: relay.port, ...options }))) as Error;
    for (const name of ['notes/2', 'notes/1', 'mail/1']) {
      expect(error.message).toContain(name);
      expect((errors[0] as Error).message).toContain(name);
    }
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 5 });
    expect(relay.connections).toBe(1);
  });
});

describe('options that are an instance of a class', () => {
  it('may have own fields', () => {
    class Small {
      readonly maxSize = 10;
    }
    expect(new LockedSocket(memoryPair()[0], new Small()).readyState).toBe('open');
  });

  it('are read in full: own options that are not enumerable count too', async () => {
    const hidden = (options: object, name: string, value: unknown): object =>
      Object.defineProperty(options, name, { value, enumerable: false });
    const { port } = await open();
    const options = hidden({ port, retry: false }, 'pin', wrong.fingerprint);
    expect(await failure(connect(options as EncryptedConnectOptions))).toBeInstanceOf(KeyMismatchError);
    expect(() => new LockedSocket(memoryPair()[0], hidden({}, 'maxsize', 1))).toThrow(/'maxsize'/);
    expect(() => new EncryptedSocket(memoryPair()[0], hidden({}, 'pin', undefined))).toThrow(/'pin'/);
  });

  it('are refused for an inherited getter, which would silently be no option', async () => {
    const [near] = memoryPair();
    const queue = new QueueSocket(new LockedSocket(near));
    queue.start();
    const stop = new AbortController();
    expect(await failure(queue.call('x', undefined, stop as never))).toBeInstanceOf(TypeError);
    expect(await failure(queue.recv(stop as never))).toBeInstanceOf(TypeError);
    await queue.close(undefined, { timeout: 0 });
  });
});

describe('lists among the options', () => {
  it('are copied by connect: the caller may change its own afterwards', async () => {
    const { server, port } = await open({ appProtocols: ['notes/1'] });
    const pin = [right.fingerprint];
    const appProtocols = ['notes/1'];
    const connecting = dial({ port, pin, appProtocols });
    pin.length = 0;
    appProtocols.length = 0;
    expect((await connecting).peer).toMatchObject({ how: 'pin', appProtocol: 'notes/1' });
    expect(server.connections).toBe(1);
  });

  it('are copied by EncryptedSocket: the caller may change its own afterwards', async () => {
    const pin = [right.fingerprint];
    const key = [keys.server];
    const { client, server } = await ends.pair('memory', { pin }, { key });
    pin.length = 0;
    key.length = 0;
    const [peer] = await Promise.all([client.handshake(), server.handshake()]);
    expect(peer.how).toBe('pin');
  });

  it('are copied by listen: connections are as when the server began', async () => {
    const key = [keys.server];
    const serverNames = ['inn'];
    const appProtocols = ['notes/1'];
    const { port, errors } = await open({ key, serverNames, appProtocols });
    for (const list of [key, serverNames, appProtocols]) list.length = 0;
    const options = { port, pin: right.fingerprint, serverName: 'inn', appProtocols: ['notes/1'] };
    expect((await dial(options)).peer).toMatchObject({ serverName: 'inn', appProtocol: 'notes/1' });
    expect(await failure(dial({ ...options, serverName: 'pub' }))).toMatchObject({ alert: 6 });
    expect(errors).toHaveLength(1);
  });
});
