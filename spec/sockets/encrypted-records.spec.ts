import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { PeerAlertError, TooLargeError } from '../../lib/errors.js';
import type { PaddingPolicy } from '../../lib/session/record/padding.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { pattern, same, sameAll } from '../support/random.js';
import { useFixture, wires } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import type { Relay } from '../support/relay.js';
import { refused } from '../support/secrets.js';
import { failureOf, reasonOf, receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const key = { key: keys.server.publicKey };
const kib = 1024;

/** A client and a server with a relay between them that records the length of every unit. */
async function observed(
  client: object,
  server: object = {},
): Promise<{ near: EncryptedSocket; far: EncryptedSocket; relay: Relay; lengths: number[] }> {
  const far = new Promise<EncryptedSocket>((resolve) => {
    void fixture
      .rawServer((stream) => {
        resolve(fixture.keep(new EncryptedSocket(stream, { key: keys.server, ...server, isServer: true })));
      })
      .then(({ port }) => {
        listening(port);
      });
  });
  let listening: (port: number) => void = () => undefined;
  const port = await new Promise<number>((resolve) => (listening = resolve));
  const lengths: number[] = [];
  const relay = await fixture.relay(port, (unit, way) => {
    if (way === 'up') lengths.push(unit.length);
    return [unit];
  });
  const raw = await fixture.rawClient(relay.port);
  expect((raw.address() as AddressInfo).port).toBeGreaterThan(0);
  const near = fixture.keep(new EncryptedSocket(raw, { ...key, ...client }));
  void near.handshake();
  const socket = await far;
  await Promise.all([near.handshake(), socket.handshake()]);
  return { near, far: socket, relay, lengths };
}

async function stream(
  from: LockedSocket,
  to: LockedSocket,
  messages: readonly Uint8Array[],
): Promise<boolean> {
  const received = (async () => {
    const list: Uint8Array[] = [];
    while (list.length < messages.length) list.push(await to.recv());
    return list;
  })();
  for (const message of messages) await from.send(message);
  return sameAll(await received, messages);
}

describe.each(['node', 'webcrypto'] as const)('records sealed by %s', (cipher) => {
  it('rekey in both directions while messages are in flight', async () => {
    for (const wire of wires) {
      const { client, server } = await fixture.establishedPair(wire, { ...key, cipher }, { cipher });
      const messages = Array.from({ length: 60 }, (_, i) => pattern((i * 977) % 9000, i));
      const rekeying = (async () => {
        for (let i = 0; i < 20; i += 1) await Promise.all([client.rekey(), server.rekey()]);
      })();
      const flows = [stream(client, server, messages), stream(server, client, messages)];
      expect(await Promise.all(flows)).toEqual([true, true]);
      await rekeying;
      await server.rekey({ timeout: 5_000 });
      expect(await stream(server, client, messages.slice(0, 3))).toBe(true);
    }
  });

  it('can be opened by the other cipher', async () => {
    const other = cipher === 'node' ? 'webcrypto' : 'node';
    const { client, server } = await fixture.establishedPair('TCP', { ...key, cipher }, { cipher: other });
    const messages = [0, 1, 100, 70_000, 300_000, 5].map(pattern);
    expect(await stream(client, server, messages)).toBe(true);
    expect(await stream(server, client, messages)).toBe(true);
    await Promise.all([client.close(), server.close()]);
    expect(await client.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await server.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it.each([undefined, 'none', 'padme', 'block:256', 'block:70000'] as const)(
    'carry every message with padding %s, in both directions',
    async (padding) => {
      const other: PaddingPolicy = padding === 'padme' ? 'block:64' : 'padme';
      const { client, server } = await fixture.establishedPair(
        'memory',
        { ...key, cipher, padding },
        { cipher, padding: other },
      );
      const messages = [0, 1, 255, 256, 65_536, 200_000].map(pattern);
      expect(await stream(client, server, messages)).toBe(true);
      expect(await stream(server, client, messages)).toBe(true);
    },
  );
});

describe('records', () => {
  it('have the length that the padding policy sets, whatever the length of the message', async () => {
    const { near, far, lengths } = await observed({ padding: 'block:256' });
    const before = lengths.length;
    for (let size = 0; size < 200; size += 20) {
      await near.send(pattern(size));
      await near.flush();
      expect(await far.recv()).toHaveLength(size);
    }
    const data = lengths.slice(before);
    // The Finished, also a plaintext of 256, can be among them.
    expect(data.length).toBeGreaterThanOrEqual(10);
    expect(new Set(data.slice(-10))).toEqual(new Set([4 + 17 + 256]));
  });

  it.each([16_384, 65_536, 1_048_576])(
    'are at most as long as the recordLimit of the receiver: %i',
    async (recordLimit) => {
      const { near, far, lengths } = await observed({}, { recordLimit });
      const message = pattern(1_500_000);
      void near.send(message);
      expect(same(await far.recv(), message)).toBe(true);
      const longest = Math.max(...lengths);
      expect(longest).toBeLessThanOrEqual(recordLimit + 4 + 17);
      expect(longest).toBeGreaterThan(Math.min(recordLimit, 65_536) / 2);
      const back = pattern(200_000, 1);
      void far.send(back);
      expect(same(await near.recv(), back)).toBe(true);
    },
  );

  it.each([
    [undefined, 262_144],
    [65_536, 65_536],
    [100_000, 100_000],
    [1_000_000, 262_144],
  ])(
    'have a limit that follows recvSize of the receiver by default: %s makes %i',
    async (recvSize, limit) => {
      const message = pattern(1_500_000);
      const longestOf = (lengths: readonly number[]): number => Math.max(...lengths) - 4 - 17;

      const { near, far, lengths } = await observed({}, { recvSize });
      void near.send(message);
      await far.recv();
      expect(longestOf(lengths)).toBe(limit);

      // The same for the sockets of listen and connect.
      const taken: LockedSocket[] = [];
      const server = await listen({ port: 0, host: '127.0.0.1', key: keys.server, recvSize });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      void server.serve(async (socket) => {
        taken.push(socket);
        await socket.send(message);
        await socket.recv();
      });
      const seen = { up: [] as number[], down: [] as number[] };
      const relay = await fixture.relay((server.address() as { port: number }).port, (unit, way) => {
        seen[way].push(unit.length);
        return [unit];
      });
      const client = fixture.keep(await connect({ port: relay.port, host: '127.0.0.1', ...key, recvSize }));
      await client.recv();
      await client.send(message);
      await client.flush();
      await until(() => (taken[0]?.stats().messagesReceived ?? 0) > 0);
      expect([longestOf(seen.up), longestOf(seen.down)]).toEqual([limit, limit]);
    },
  );

  it('rekey only on request, which is one empty record on the wire', async () => {
    const { near, far, lengths } = await observed({});
    await near.send('x');
    await far.recv();
    const before = lengths.length;
    await near.rekey();
    await until(() => lengths.length > before);
    expect(lengths.slice(before)).toEqual([4 + 21]);
    await near.send('y');
    expect(textOf(await far.recv())).toBe('y');
  });

  it('do not rekey when the signal has aborted before the call', async () => {
    const { client } = await fixture.establishedPair('memory');
    const reason = new Error('no');
    expect(await reasonOf(client.rekey({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    await client.close(undefined, { timeout: 0 });
    await refused(client.rekey());
  });

  it('end the session with an alert after more than 100 rekeys in a moment', async () => {
    const { client, server } = await fixture.establishedPair('memory');
    for (let i = 0; i < 100; i += 1) await client.rekey();
    void client.send('still here');
    expect(textOf(await server.recv())).toBe('still here');
    void client.rekey().catch(() => undefined);
    await refused(server.recv(), 'K4NET_UNEXPECTED');
    const error = await failureOf(client.recv(), PeerAlertError);
    expect(error).toMatchObject({ alert: 1, authenticated: true, text: 'unexpected' });
  });
});

describe('application protocols', () => {
  it.each([
    [['a', 'b'], ['b', 'a'], 'b'],
    [['a'], ['a'], 'a'],
    [['ä', 'b'], ['ä'], 'ä'],
    [['a'], undefined, undefined],
    [undefined, ['a'], undefined],
    [[], ['a'], undefined],
    [undefined, undefined, undefined],
  ] as const)(
    'are negotiated: a client with %j and a server with %j agree on %s',
    async (offered, spoken, agreed) => {
      const { client, server } = await fixture.establishedPair(
        'memory',
        { ...key, appProtocols: offered },
        { appProtocols: spoken },
      );
      expect(client.peer?.appProtocol).toBe(agreed);
      expect(server.peer?.appProtocol).toBe(agreed);
    },
  );

  it('fail the handshake on both sides when there is none in common', async () => {
    const { client, server } = await fixture.encryptedPair(
      'TCP',
      { ...key, appProtocols: ['a'] },
      { appProtocols: ['b'] },
    );
    const there = refused(server.handshake(), 'K4NET_UNSUPPORTED');
    const error = await failureOf(client.handshake(), PeerAlertError);
    expect(error).toMatchObject({ alert: 5, authenticated: false });
    await there;
  });

  it('and the server name reach the other side', async () => {
    const { client, server } = await fixture.establishedPair('memory', { ...key, serverName: 'inn.example' });
    expect(server.peer?.serverName).toBe('inn.example');
    expect(client.peer?.serverName).toBe('inn.example');
  });
});

describe('key material', () => {
  it('is the same on both sides, and differs for every label, context and session', async () => {
    const { client, server } = await fixture.establishedPair('memory');
    const other = await fixture.establishedPair('memory');
    const context = new Uint8Array([1, 2]);
    const seen = new Set<string>();
    for (const [label, about, length] of [
      ['one', context, 32],
      ['two', context, 32],
      ['one', new Uint8Array(0), 32],
      ['one', context, 33],
      ['one', context, 8160],
    ] as const) {
      const here = await client.export(label, about, length);
      expect(here).toHaveLength(length);
      expect(same(here, await server.export(label, about, length))).toBe(true);
      expect(same(here, await other.client.export(label, about, length))).toBe(false);
      seen.add(Buffer.from(here.subarray(0, 32)).toString('hex'));
    }
    // A key of another length is a different key, not a longer one.
    expect(seen.size).toBe(5);
    expect(client.sessionId).toEqual(server.sessionId);
    expect(client.sessionId).not.toEqual(other.client.sessionId);
    const id = client.sessionId!;
    id.fill(0);
    expect(client.sessionId).toEqual(server.sessionId);
  });

  it('needs a valid label, bytes and a length', async () => {
    const { client } = await fixture.establishedPair('memory');
    const none = new Uint8Array(0);
    expect(await reasonOf(client.export('', none, 1))).toBeInstanceOf(TypeError);
    expect(await reasonOf(client.export('ä', none, 1))).toBeInstanceOf(TypeError);
    expect(await reasonOf(client.export('a', 'text' as never, 1))).toBeInstanceOf(TypeError);
    for (const length of [0, 8161, 1.5, NaN]) {
      expect(await reasonOf(client.export('a', none, length))).toBeInstanceOf(RangeError);
    }
  });
});

describe('an alert', () => {
  it.each(['client', 'server'] as const)('reports to a %s that its message is too long', async (who) => {
    for (const wire of wires) {
      const small = { maxSize: 100 * kib };
      const pair = await fixture.establishedPair(wire, { ...key, ...small }, small);
      const [from, to] = who === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
      await from.send('good');
      void from.send(pattern(100 * kib + 1)).catch(() => undefined);
      expect(textOf(await to.recv())).toBe('good');
      const own = await failureOf(to.recv(), TooLargeError);
      expect(own).toMatchObject({ size: 100 * kib + 1, limit: 100 * kib });
      const error = await failureOf(from.recv(), PeerAlertError);
      expect(error).toMatchObject({ alert: 4, text: 'too-large', app: 0, authenticated: true });
      expect((await from.closed).error).toBe(error);
      expect((await to.closed).error).toBe(own);
      expect(await receiveAll(to).catch((reason: unknown) => reason)).toBe(own);
    }
  });
});
