import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { importKeyPair } from '../../lib/crypto/key-pair.js';
import { K4netError, KeyMismatchError } from '../../lib/errors.js';
import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { EncryptedSocketOptions } from '../../lib/sockets/encrypted-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { memoryKnownHosts, type KnownHost } from '../../lib/trust/known-hosts.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { reasonOf } from '../support/sockets.js';

const fixture = useFixture();

const right = keys.server.publicKey;
const wrong = keys.other.publicKey;

describe('a security option that conflicts with others or is undefined', () => {
  const memory = (options: object): EncryptedSocket => new EncryptedSocket(memoryPair()[0], options);

  it.each(['key', 'keyPath', 'pin', 'knownHosts', 'insecureAcceptAnyKey', 'clientKey'])(
    'is a TypeError of a client if it is present but undefined: %s',
    async (name) => {
      const error = await reasonOf(
        connect({ port: 1, [name]: undefined } as unknown as EncryptedConnectOptions),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(`'${name}'`);
      expect(() => memory({ [name]: undefined })).toThrow(TypeError);
    },
  );

  it.each(['key', 'keyPath', 'clientAuth', 'authorize'])(
    'is a TypeError of a server if it is present but undefined: %s',
    async (name) => {
      const options = { port: 0, ephemeralKey: true, [name]: undefined } as unknown as EncryptedListenOptions;
      expect(await reasonOf(listen(options))).toBeInstanceOf(TypeError);
      expect(() => memory({ isServer: true, [name]: undefined })).toThrow(TypeError);
    },
  );

  it('is a TypeError of both sides if key and keyPath are given', async () => {
    const both = { key: keys.server, keyPath: 'x' };
    expect(await reasonOf(listen({ port: 0, ...both }))).toBeInstanceOf(TypeError);
    expect(() => memory({ isServer: true, ...both })).toThrow(/'key' and 'keyPath'/);
    expect(() => memory({ key: right, keyPath: 'x' })).toThrow(/'key' and 'keyPath'/);
  });
});

describe('an invalid key in the options', () => {
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

  it.each(wrongs)('is a TypeError as the pin of connect and EncryptedSocket: %s', async (_, pin) => {
    const error = await reasonOf(
      connect({ port: 1, retry: false, pin } as unknown as EncryptedConnectOptions),
    );
    expect(error).toBeInstanceOf(TypeError);
    expect(() => new EncryptedSocket(memoryPair()[0], { pin } as EncryptedSocketOptions)).toThrow(TypeError);
  });

  it.each(wrongs.slice(0, 2).concat(wrongs.slice(5, 11)))(
    'is a TypeError as the key of EncryptedSocket: %s',
    (_, key) => {
      expect(() => new EncryptedSocket(memoryPair()[0], { key } as EncryptedSocketOptions)).toThrow(
        TypeError,
      );
    },
  );

  it.each([
    ['clientKey', { clientKey: 'no key' }],
    ['clientKey null', { clientKey: null }],
    ['server key', { isServer: true, key: 42 }],
    ['public server key', { isServer: true, key: right.toPem() }],
  ])('is a TypeError that does not quote the key: %s', (_, options) => {
    const make = (): unknown =>
      new EncryptedSocket(memoryPair()[0], options as unknown as EncryptedSocketOptions);
    expect(make).toThrow(TypeError);
    expect(make).not.toThrow(/BEGIN/);
  });
});

describe('a key or a name that no handshake can use', () => {
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
    ['a text as appProtocols', { appProtocols: 'x/1' }, 'appProtocols must be a list of strings, not string'],
    [
      'a list of numbers as appProtocols',
      { appProtocols: [5] },
      'appProtocols must be a list of strings, not of number',
    ],
    ['a number as serverName', { serverName: 5 }, 'serverName must be a string, not number'],
    [
      'a number as serverName for a store',
      { serverName: 5, knownHosts: true },
      'serverName must be a string, not number',
    ],
    ['an empty pin', { pin: '' }, /^pin must not be an empty string$/],
    [
      'a pin of other text',
      { pin: 'abc' },
      /^pin is neither a fingerprint \('sha256:' .*\) nor a public key in PEM$/,
    ],
    ['an exponent of 3 as pin', { pin: der(exponentThree) }, 'exponent of an RSA key must be 65537'],
    ['an even modulus as pin', { pin: even }, 'modulus of an RSA key must be odd'],
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
    [
      'numbers as clientKey',
      { clientKey: { privateKey: 1, publicKey: 2 } },
      'a private CryptoKey must be for',
    ],
  ])('is a TypeError of the constructor, which names the reason: %s', (_, options, message) => {
    expect(make(options)).toThrow(TypeError);
    expect(make(options)).toThrow(message);
    expect(make(options)).not.toThrow(/abc|BEGIN|\.\/server/);
  });

  it('is a TypeError of connect and listen before they use the network', async () => {
    const bare = { port: 1, retry: false, pin: right.fingerprint } as const;
    for (const options of [{ appProtocols: 'x/1' }, { serverName: 5 }, { clientKey: right.spki }]) {
      expect(await reasonOf(connect({ ...bare, ...options } as never))).toBeInstanceOf(TypeError);
    }
    for (const options of [{ key: keys.ec }, { ephemeralKey: true, appProtocols: 'x/1' }]) {
      expect(await reasonOf(listen({ port: 0, ...options } as never))).toBeInstanceOf(TypeError);
    }
  });

  it('is a TypeError of the constructor if it is a CryptoKey of another kind, size or purpose', async () => {
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

describe('a server with another key than the client expects', () => {
  it.each([
    ['fingerprint', wrong.fingerprint],
    ['PEM', wrong.toPem()],
    ['key', wrong],
  ] as const)('fails connect with a key mismatch after one attempt if the pin is a %s', async (_, pin) => {
    const { port } = await fixture.echoServer();
    const relay = await fixture.relay(port);
    const error = await reasonOf(connect({ port: relay.port, pin, retry: { retries: 3, minDelay: 1 } }));
    expect(error).toMatchObject({
      code: 'K4NET_KEY_MISMATCH',
      expected: wrong.fingerprint,
      actual: right.fingerprint,
    });
    expect(relay.connections).toBe(1);
  });

  it('fails connect with an alert after one attempt if the client has the key itself', async () => {
    const { port } = await fixture.echoServer();
    const relay = await fixture.relay(port);
    const retry = { retries: 3, minDelay: 1 };
    const error = await reasonOf(connect({ port: relay.port, key: wrong, retry }));
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 6 });
    expect(relay.connections).toBe(1);
  });
});

describe('a callback or store of the program', () => {
  it('that throws in authorize refuses the client without a reason, and onError gets the error', async () => {
    const broken = new Error('the database is down');
    const { port, errors } = await fixture.echoServer({
      clientAuth: 'required',
      authorize: () => {
        throw broken;
      },
    });
    const error = await reasonOf(fixture.connectOnce({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 9 });
    expect((error as Error).message).not.toContain('database');
    expect(errors).toEqual([broken]);
  });

  it('that throws undefined in authorize gives onError a TypeError', async () => {
    function* never(): Generator<boolean> {
      yield false;
    }
    const { port, errors } = await fixture.echoServer({
      clientAuth: 'required',
      authorize: () => never().throw(undefined).done === true,
    });
    await reasonOf(fixture.connectOnce({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(errors).toEqual([new TypeError("'authorize' threw undefined")]);
  });

  it('that returns null from get counts the server as unknown', async () => {
    const { port } = await fixture.echoServer();
    const memory = memoryKnownHosts();
    const store = {
      get: () => Promise.resolve(null as unknown as undefined),
      addIfAbsent: (name: string, fingerprint: string) => memory.addIfAbsent(name, fingerprint),
      replace: (): Promise<void> => Promise.resolve(),
    };
    const sock = await fixture.connectOnce({ port, knownHosts: store, serverName: 'inn' });
    expect(sock.peer.how).toBe('first-use');
    expect(await memory.get('inn')).toMatchObject({ fingerprint: right.fingerprint });
  });

  const host = { name: 'inn', state: 'pinned', firstSeen: '2026-01-01', lastSeen: '2026-01-01' } as const;
  it.each([
    ['get rejects', { get: () => Promise.reject(new Error('offline')) }],
    ['get returns an invalid fingerprint', { get: () => Promise.resolve({ ...host, fingerprint: 'x' }) }],
    [
      'get returns an invalid state',
      { get: () => Promise.resolve({ ...host, fingerprint: right.fingerprint, state: 'weird' as never }) },
    ],
    [
      'addIfAbsent returns an invalid state',
      {
        addIfAbsent: (name: string, fingerprint: string) =>
          Promise.resolve({ ...host, name, fingerprint, state: 'Revoked' as never }),
      },
    ],
    ['addIfAbsent throws', { addIfAbsent: () => Promise.reject(new Error('full')) }],
    ['addIfAbsent returns undefined', { addIfAbsent: () => Promise.resolve(undefined as never) }],
  ])('fails connect with K4NET_STORE if its %s', async (_, changes) => {
    const { port } = await fixture.echoServer();
    const store = {
      get: (): Promise<KnownHost | undefined> => Promise.resolve(undefined),
      addIfAbsent: (name: string, fingerprint: string): Promise<KnownHost> =>
        Promise.resolve({ ...host, name, fingerprint }),
      replace: (): Promise<void> => Promise.resolve(),
      ...changes,
    };
    expect(
      K4netError.is(await reasonOf(fixture.connectOnce({ port, knownHosts: store })), 'K4NET_STORE'),
    ).toBe(true);
  });
});

describe('application protocols that have none in common', () => {
  it('fail both sides after one attempt, with an error that names both lists', async () => {
    const { port, errors } = await fixture.echoServer({ appProtocols: ['notes/2', 'notes/1'] });
    const relay = await fixture.relay(port);
    const options = { pin: right.fingerprint, appProtocols: ['mail/1'], retry: { retries: 3, minDelay: 1 } };
    const error = (await reasonOf(connect({ port: relay.port, ...options }))) as Error;
    for (const name of ['notes/2', 'notes/1', 'mail/1']) {
      expect(error.message).toContain(name);
      expect((errors[0] as Error).message).toContain(name);
    }
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 5 });
    expect(relay.connections).toBe(1);
  });
});

describe('an options object that is an instance of a class', () => {
  it('is accepted with fields of its own', () => {
    class Small {
      readonly maxSize = 10;
    }
    expect(new LockedSocket(memoryPair()[0], new Small()).readyState).toBe('open');
  });

  it('is read with its properties that are not enumerable', async () => {
    const hidden = (options: object, name: string, value: unknown): object =>
      Object.defineProperty(options, name, { value, enumerable: false });
    const { port } = await fixture.echoServer();
    const options = hidden({ port, retry: false }, 'pin', wrong.fingerprint);
    expect(await reasonOf(connect(options as EncryptedConnectOptions))).toBeInstanceOf(KeyMismatchError);
    expect(() => new LockedSocket(memoryPair()[0], hidden({}, 'maxsize', 1))).toThrow(/'maxsize'/);
    expect(() => new EncryptedSocket(memoryPair()[0], hidden({}, 'pin', undefined))).toThrow(/'pin'/);
  });

  it('is a TypeError if an option is an inherited getter, which would be ignored', async () => {
    const [near] = memoryPair();
    const queue = new QueueSocket(new LockedSocket(near));
    queue.start();
    const stop = new AbortController();
    expect(await reasonOf(queue.call('x', undefined, stop as never))).toBeInstanceOf(TypeError);
    expect(await reasonOf(queue.recv(stop as never))).toBeInstanceOf(TypeError);
    await queue.close(undefined, { timeout: 0 });
  });
});

describe('a list in the options', () => {
  it('is copied by connect, so that the caller may change it afterwards', async () => {
    const { server, port } = await fixture.echoServer({ appProtocols: ['notes/1'] });
    const pin = [right.fingerprint];
    const appProtocols = ['notes/1'];
    const connecting = fixture.connectOnce({ port, pin, appProtocols });
    pin.length = 0;
    appProtocols.length = 0;
    expect((await connecting).peer).toMatchObject({ how: 'pin', appProtocol: 'notes/1' });
    expect(server.connections).toBe(1);
  });

  it('is copied by EncryptedSocket, so that the caller may change it afterwards', async () => {
    const pin = [right.fingerprint];
    const key = [keys.server];
    const { client, server } = await fixture.encryptedPair('memory', { pin }, { key });
    pin.length = 0;
    key.length = 0;
    const [peer] = await Promise.all([client.handshake(), server.handshake()]);
    expect(peer.how).toBe('pin');
  });

  it('is copied by listen, so that later changes do not affect new connections', async () => {
    const key = [keys.server];
    const serverNames = ['inn'];
    const appProtocols = ['notes/1'];
    const { port, errors } = await fixture.echoServer({ key, serverNames, appProtocols });
    for (const list of [key, serverNames, appProtocols]) list.length = 0;
    const options = { port, pin: right.fingerprint, serverName: 'inn', appProtocols: ['notes/1'] };
    expect((await fixture.connectOnce(options)).peer).toMatchObject({
      serverName: 'inn',
      appProtocol: 'notes/1',
    });
    expect(await reasonOf(fixture.connectOnce({ ...options, serverName: 'pub' }))).toMatchObject({
      alert: 6,
    });
    expect(errors).toHaveLength(1);
  });
});
