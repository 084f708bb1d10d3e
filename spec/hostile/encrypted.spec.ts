import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { K4netError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { EncryptedSocket, type EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { frame } from '../support/frames.js';
import { pattern, Random, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import type { Fate, Way } from '../support/relay.js';
import { expectDiscreet, outcome, refused } from '../support/secrets.js';
import { receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const handshakeTimeout = 1_500;
let server: Server<EstablishedSocket>;
let port = 0;
/** The errors that the server reported, and how its sockets ended. */
let reports: K4netError[] = [];
let served: Promise<unknown>[] = [];
let received: Uint8Array[] = [];

beforeAll(async () => {
  server = await listen({
    port: 0,
    key: keys.server,
    handshakeTimeout,
    onError: (error) => {
      expectDiscreet(error);
      reports.push(error as K4netError);
    },
  });
  port = (server.address() as { port: number }).port;
  void server.serve((sock) => {
    const loop = (async () => {
      for await (const message of sock) {
        received.push(message);
        await sock.send(message);
      }
    })();
    served.push(loop.catch((reason: unknown) => reason));
    return loop;
  });
});

afterAll(() => server.close({ timeout: 0 }));

afterEach(async () => {
  await fixture.release();
  await until(() => server.connections === 0);
  // The next client is served as usual.
  const good = await connect({ port, key: keys.server.publicKey });
  await good.send('are you well?');
  expect(textOf(await good.recv())).toBe('are you well?');
  await good.close();
  expect(await good.closed).toEqual({ code: 'K4NET_CLOSED' });
  reports = [];
  served = [];
  received = [];
});

const client = { key: keys.server.publicKey, handshakeTimeout: 2_000 };
/** A client that asks for the key first, so that there are more units to modify. */
const asking = { pin: keys.server.fingerprint, handshakeTimeout: 2_000 };

type Trick = 'flip' | 'drop' | 'double' | 'swap' | 'reflect' | 'cut' | 'shorten';
const tricks: readonly Trick[] = ['flip', 'drop', 'double', 'swap', 'reflect', 'cut', 'shorten'];

/** Modifies the nth unit of one direction. */
function spoil(trick: Trick, at: number, where: Way, random: Random) {
  let held: Buffer | undefined;
  return (unit: Buffer, way: Way, nth: number, back: (bytes: Uint8Array) => void): Fate => {
    if (way !== where) return [unit];
    if (held) {
      const before = held;
      held = undefined;
      return [unit, before];
    }
    if (nth !== at) return [unit];
    switch (trick) {
      case 'flip': {
        const bit = random.below(unit.length * 8);
        unit[bit >> 3]! ^= 1 << (bit & 7);
        return [unit];
      }
      case 'drop':
        return [];
      case 'double':
        return [unit, unit];
      case 'swap':
        held = unit;
        return [];
      case 'reflect':
        back(unit);
        return [];
      case 'cut':
        return 'end';
      case 'shorten':
        return [unit.subarray(0, random.below(unit.length))];
    }
  };
}

/** Sends numbered messages and reads the answers until the connection fails. */
async function converse(
  sock: EncryptedSocket,
  messages: readonly Uint8Array[],
  patience: number,
): Promise<Uint8Array[]> {
  const got: Uint8Array[] = [];
  const reading = (async () => {
    for await (const message of sock) got.push(message);
  })().catch(() => undefined);
  for (const message of messages) {
    await sock.send(message).catch(() => undefined);
    await Promise.race([sock.flush().catch(() => undefined), sock.closed]);
    await turns(2);
  }
  // A record that never comes is missed when the session ends, at the latest.
  void sock.end().catch(() => undefined);
  const silence = setTimeout(() => void sock.close(undefined, { timeout: 0 }), patience);
  await sock.closed;
  clearTimeout(silence);
  await reading;
  return got;
}

const typed = [
  'K4NET_DECRYPT',
  'K4NET_UNEXPECTED',
  'K4NET_MALFORMED',
  'K4NET_TOO_LARGE',
  'K4NET_UNSUPPORTED',
  'K4NET_UNKNOWN_SERVER_KEY',
  'K4NET_HANDSHAKE_FAILED',
  'K4NET_NOT_K4NET',
  'K4NET_SERVER_AUTH',
  'K4NET_KEY_MISMATCH',
  'K4NET_PEER_CLOSED',
  'K4NET_PEER_ALERT',
  'K4NET_TRUNCATED',
  'K4NET_CONNECTION',
  'K4NET_TIMEOUT',
];

describe('an attacker between client and server', () => {
  it('does not disturb the session if it forwards all bytes', async () => {
    const relay = await fixture.relay(port);
    const sock = fixture.keep(new EncryptedSocket(await fixture.rawClient(relay.port), asking));
    const messages = Array.from({ length: 12 }, (_, i) => pattern(i * 50, i));
    expect(sameAll(await converse(sock, messages, 10_000), messages)).toBe(true);
    expect((await sock.closed).code).toBe('K4NET_CLOSED');
    // Each message is one record, so the positions that the tests below choose exist.
    expect(relay.units.up).toBeGreaterThanOrEqual(3 + 12);
    expect(relay.units.down).toBeGreaterThanOrEqual(3 + 12);
  });

  it.each(tricks)('is detected and changes no message if it can %s one record', async (trick) => {
    for (let seed = 0; seed < 6; seed += 1) {
      const random = new Random(seed * 100 + tricks.indexOf(trick));
      const where: Way = seed % 2 > 0 ? 'up' : 'down';
      const at = seed < 3 ? random.below(3) : 3 + random.below(9);
      const what = `${trick} of unit ${at} ${where}, seed ${seed}`;
      const relay = await fixture.relay(port, spoil(trick, at, where, random));
      const sock = fixture.keep(new EncryptedSocket(await fixture.rawClient(relay.port), asking));
      const messages = Array.from({ length: 12 }, (_, i) => pattern(1 + i * 50, i));
      received = [];
      served = [];
      reports = [];
      const got = await converse(sock, messages, 60);
      await until(() => server.connections === 0);
      for (const list of [got, received]) {
        expect(sameAll(list, messages.slice(0, list.length)), what).toBe(true);
      }
      const info = await sock.closed;
      expectDiscreet(info.error);
      expect(typed, what).toContain(info.code);
      // The server sees it in the handshake or in its loop, and reports no clean end either.
      const there = [...reports, ...(await Promise.all(served))] as (K4netError | undefined)[];
      expect(there.length, what).toBeGreaterThan(0);
      for (const error of there) if (error) expect(typed, what).toContain(error.code);
      expect(Math.min(got.length, received.length), what).toBeLessThan(messages.length);
      await relay.close();
    }
  });
});

const http = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';
const tlsHello = Uint8Array.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, ...pattern(500)]);
const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

interface Foreigner {
  readonly peer: string;
  readonly talk: (raw: Socket) => unknown;
  readonly server: readonly string[];
  readonly client: readonly string[];
}

const foreigners: readonly Foreigner[] = [
  {
    peer: "the seed's get_key",
    talk: (raw) => raw.write(frame('get_key')),
    server: ['K4NET_LEGACY_PEER'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: "the seed's session_key",
    talk: (raw) => raw.write(frame(`session_key${'x'.repeat(256)}`)),
    server: ['K4NET_LEGACY_PEER'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a plain LockedSocket',
    talk: (raw) => void new LockedSocket(raw).send('hello').catch(() => undefined),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a plain LockedSocket with a long message',
    talk: (raw) => void new LockedSocket(raw).send(pattern(5000)).catch(() => undefined),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a plain LockedSocket with an empty message',
    talk: (raw) => void new LockedSocket(raw).send('').catch(() => undefined),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a browser',
    talk: (raw) => raw.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a web server',
    talk: (raw) => raw.end(http),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a TLS client',
    talk: (raw) => raw.write(tlsHello),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'an SSH peer',
    talk: (raw) => raw.write('SSH-2.0-OpenSSH_9.6\r\n'),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a peer that sends nothing',
    talk: () => undefined,
    server: ['K4NET_TIMEOUT'],
    client: ['K4NET_TIMEOUT'],
  },
  {
    peer: 'a peer that sends half a length',
    talk: (raw) => raw.write(new Uint8Array([10, 0])),
    server: ['K4NET_TIMEOUT'],
    client: ['K4NET_TIMEOUT'],
  },
  {
    peer: 'a peer that announces a unit and never sends it',
    talk: (raw) => raw.write(u32(4096)),
    server: ['K4NET_TIMEOUT'],
    client: ['K4NET_TIMEOUT'],
  },
  {
    peer: 'a peer that announces a unit over the limit',
    talk: (raw) => raw.write(u32(4097)),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
  {
    peer: 'a peer that closes at once',
    talk: (raw) => raw.end(),
    server: ['K4NET_PEER_CLOSED'],
    client: ['K4NET_PEER_CLOSED'],
  },
  {
    peer: 'a peer that closes inside a unit',
    talk: (raw) => raw.end(Buffer.concat([u32(10), Buffer.from('half')])),
    server: ['K4NET_PEER_CLOSED'],
    client: ['K4NET_PEER_CLOSED'],
  },
  {
    peer: 'a peer that resets',
    talk: (raw) => raw.resetAndDestroy(),
    server: ['K4NET_CONNECTION'],
    // The reset can arrive before the client is connected.
    client: ['K4NET_CONNECTION', 'K4NET_CONNECT'],
  },
  {
    peer: 'a later version of the protocol',
    talk: (raw) => raw.write(frame(Uint8Array.from([0x4b, 0x34, 0x4e, 2, 1, 0, 0, 0]))),
    server: ['K4NET_UNSUPPORTED'],
    client: ['K4NET_UNSUPPORTED'],
  },
  {
    peer: 'a peer that sends random bytes',
    talk: (raw) => raw.write(new Random(7).bytes(5000)),
    server: ['K4NET_NOT_K4NET'],
    client: ['K4NET_NOT_K4NET'],
  },
];

describe('a peer that does not speak k4net/1', () => {
  it.each(foreigners)(
    'fails the handshake of a server with a typed error: $peer',
    async ({ talk, server: codes }) => {
      const raw = await fixture.rawClient(port);
      raw.resume();
      await talk(raw);
      await until(() => reports.length > 0);
      expect(reports).toHaveLength(1);
      expect(codes).toContain(reports[0]!.code);
      expect(served).toEqual([]);
    },
  );

  it.each(foreigners)(
    'fails the handshake of a client with a typed error: $peer',
    async ({ talk, client: codes }) => {
      const { port: foreign } = await fixture.rawServer((stream) => {
        stream.resume();
        talk(stream);
      });
      // A short timeout only where the timeout is the expected error.
      const timeout = codes.includes('K4NET_TIMEOUT') ? 100 : 25_000;
      for (const options of [client, asking]) {
        const error = await refused(
          connect({ ...options, port: foreign, handshakeTimeout: timeout, retry: false }),
          ...codes,
        );
        expect(error.message).not.toBe('');
      }
    },
  );

  it("fails the client with a message that names the Python library if the seed's server closes", async () => {
    const { port: foreign } = await fixture.rawServer((stream) => {
      stream.once('data', () => stream.end());
    });
    const error = await refused(connect({ ...client, port: foreign, retry: false }), 'K4NET_PEER_CLOSED');
    expect(error.message).toContain('Python');
  });

  it("gets an unencrypted alert from a server if it is the seed's client", async () => {
    const raw = await fixture.rawClient(port);
    const heard: Buffer[] = [];
    raw.on('data', (chunk) => heard.push(chunk));
    raw.write(frame('get_key'));
    await new Promise((resolve) => raw.once('end', resolve));
    const alert = Buffer.concat(heard);
    expect([...alert.subarray(4, 10)]).toEqual([0x4b, 0x34, 0x4e, 1, 15, 0]);
    expect(alert[10]).toBe(12);
  });

  it('gets no session and fails with a typed error if it sends random bytes', async () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const random = new Random(seed);
      const raw = await fixture.rawClient(port);
      raw.resume();
      const bytes = random.bytes(1 + random.below(400));
      // Some look like a unit, and some of these like a unit of k4net.
      if (seed % 2 > 0) bytes.set([random.below(200), 0, 0, 0].slice(0, bytes.length));
      if (seed % 4 > 2 && bytes.length > 10) bytes.set([0x4b, 0x34, 0x4e, 1, 1 + random.below(6), 0], 4);
      raw.end(bytes);
    }
    await until(() => reports.length === 40);
    for (const { code } of reports) expect([...typed, 'K4NET_LEGACY_PEER']).toContain(code);
    expect(served).toEqual([]);
  });

  it('is refused if it replays a recorded handshake', async () => {
    const units: Buffer[] = [];
    const relay = await fixture.relay(port, (unit, way) => {
      if (way === 'up') units.push(Buffer.from(unit));
      return [unit];
    });
    const sock = fixture.keep(new EncryptedSocket(await fixture.rawClient(relay.port), client));
    await sock.send('pay 100');
    expect(textOf(await sock.recv())).toBe('pay 100');
    await sock.close();
    received = [];
    const raw = await fixture.rawClient(port);
    raw.resume();
    raw.end(Buffer.concat(units));
    await until(() => reports.length > 0);
    expect(reports.map(({ code }) => code)).toEqual(['K4NET_DECRYPT']);
    expect(received).toEqual([]);
  });

  it('is cut if it keeps sending after the server refused it', async () => {
    const raw = await fixture.rawClient(port);
    raw.resume();
    const gone = new Promise((resolve) => raw.once('close', resolve));
    const flood = (async () => {
      while (!raw.destroyed) {
        if (raw.writableLength < 100_000) raw.write(pattern(10_000));
        await turns();
      }
    })();
    await until(() => reports.length > 0);
    await Promise.all([gone, flood]);
    expect(reports.map(({ code }) => code)).toEqual(['K4NET_NOT_K4NET']);
  });

  it('does not affect other sessions', async () => {
    const sock = await connect({ port, ...client });
    fixture.keep(sock);
    const chat = (async () => {
      for (let i = 0; i < 50; i += 1) {
        await sock.send(`line ${i}`);
        expect(textOf(await sock.recv())).toBe(`line ${i}`);
      }
    })();
    for (let i = 0; i < 20; i += 1) {
      const raw = await fixture.rawClient(port);
      raw.resume();
      raw.end(i % 2 > 0 ? frame('get_key') : pattern(100 + i));
    }
    await chat;
    await until(() => reports.length === 20);
    expect(await outcome(sock.close())).toBe('ok');
    expect(await receiveAll(sock).catch(() => [])).toEqual([]);
  });
});
