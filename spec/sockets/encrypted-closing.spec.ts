import { describe, expect, it } from 'vitest';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { pattern, Random } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { useFixture, wires } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import type { Meddle } from '../support/relay.js';
import { outcome, refused } from '../support/secrets.js';
import { receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const key = { key: keys.server.publicKey };

/** A client and a server with a relay between them, after the handshake. */
async function relayed(meddle?: Meddle) {
  const far: EncryptedSocket[] = [];
  const { port } = await fixture.rawServer((stream) => {
    far.push(fixture.keep(new EncryptedSocket(stream, { key: keys.server, isServer: true })));
    void far[0]!.handshake().catch(() => undefined);
  });
  const relay = await fixture.relay(port, meddle);
  const near = fixture.keep(new EncryptedSocket(await fixture.rawClient(relay.port), key));
  await near.handshake();
  await far[0]!.handshake();
  return { near, far: far[0]!, relay };
}

const good = { code: 'K4NET_CLOSED' };

describe.each(wires)('closing over %s', (wire) => {
  it('reports a clean end on both sides', async () => {
    for (const first of ['client', 'server'] as const) {
      const pair = await fixture.establishedPair(wire);
      const [one, other] = first === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
      await one.send('last but one');
      const closing = one.close('last');
      expect((await receiveAll(other)).map(textOf)).toEqual(['last but one', 'last']);
      await closing;
      expect(await one.closed).toEqual(good);
      expect(await other.closed).toEqual(good);
    }
  });

  it('keeps the other direction open after end() (half-close)', async () => {
    const { client, server } = await fixture.establishedPair(wire);
    await client.send('question');
    await client.end();
    expect(textOf(await server.recv())).toBe('question');
    await refused(server.recv(), 'K4NET_CLOSED');
    const reading = receiveAll(client);
    for (let i = 0; i < 10; i += 1) await server.send(pattern(50_000, i));
    const closing = server.close('answer');
    const got = await reading;
    expect(got).toHaveLength(11);
    expect(textOf(got[10])).toBe('answer');
    await closing;
    expect(await client.closed).toEqual(good);
  });

  it('delivers the last message to a slow reader that still sends', async () => {
    for (let i = 0; i < 20; i += 1) {
      const { client, server } = await fixture.establishedPair(wire);
      const talk = { on: true };
      const chatter = (async () => {
        while (talk.on) {
          if ((await outcome(client.send(pattern(3_000, i)))) !== 'ok') return;
          await turns();
        }
      })();
      for (let n = 0; n < 5; n += 1) await server.send(pattern(2_000, n));
      const closing = server.close(`goodbye ${i}`);
      const got: Uint8Array[] = [];
      while (got.length < 6) {
        await turns(3);
        got.push(await client.recv());
      }
      talk.on = false;
      await Promise.all([chatter, client.close(), closing]);
      expect(textOf(got[5])).toBe(`goodbye ${i}`);
      expect(await server.closed).toEqual(good);
    }
  });

  it('reports a clean end when both sides close at once', async () => {
    for (let i = 0; i < 20; i += 1) {
      const { client, server } = await fixture.establishedPair(wire);
      if (i % 2 > 0) void client.send(pattern(i * 1000));
      if (i % 3 > 0) void server.send(pattern(i * 1000));
      if (i % 4 > 1) await turns(i % 4);
      await Promise.all([client.close('from the client'), server.close('from the server')]);
      expect(await client.closed).toEqual(good);
      expect(await server.closed).toEqual(good);
    }
  });

  it('settles every promise at any moment, the handshake included', async () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const random = new Random(seed);
      const { client, server } = await fixture.encryptedPair(wire);
      const waits: Promise<string>[] = [];
      for (const sock of [client, server]) {
        const size = random.below(30_000);
        waits.push(outcome(sock.handshake()), outcome(sock.recv()), outcome(sock.send(pattern(size))));
        waits.push(outcome(sock.flush()), outcome(sock.rekey()), outcome(receiveAll(sock)));
        waits.push(outcome(sock.export('x', new Uint8Array(1), 16)));
      }
      await turns(random.below(30));
      const closing = [client, server].map(async (sock) => {
        await turns(random.below(8));
        if (random.below(3) === 0) void sock.end();
        await turns(random.below(4));
        const timeout = random.pick([0, 0, 1, undefined]);
        await sock.close(random.below(2) > 0 ? undefined : 'bye', { timeout }).catch(() => sock.close());
      });
      await Promise.all(closing);
      for (const code of await Promise.all(waits)) {
        expect([
          'ok',
          'K4NET_CLOSED',
          'K4NET_CONNECTION',
          'K4NET_TIMEOUT',
          'K4NET_PEER_CLOSED',
          'K4NET_PEER_ALERT',
          'K4NET_TRUNCATED',
          'K4NET_STATE',
        ]).toContain(code);
      }
      for (const sock of [client, server]) {
        await sock.closed;
        expect(sock.readyState).toBe('closed');
        expect(sock.bufferedAmount).toBe(0);
      }
    }
  });
});

describe('a connection that is cut', () => {
  it('reports K4NET_TRUNCATED when the stream ends between two messages, because an attacker can end it', async () => {
    for (const sent of [0, 1, 5]) {
      const { near, far, relay } = await relayed();
      for (let i = 0; i < sent; i += 1) await far.send(`message ${i}`);
      await far.flush();
      await until(() => near.stats().bytesReceived >= 13 * sent);
      relay.endAll();
      const got: string[] = [];
      const loop = (async () => {
        for await (const text of near.texts()) got.push(text);
      })();
      const error = await refused(loop, 'K4NET_TRUNCATED');
      expect(got).toEqual(Array.from({ length: sent }, (_, i) => `message ${i}`));
      expect(await near.closed).toEqual({ code: 'K4NET_TRUNCATED', error });
      await refused(far.recv(), 'K4NET_TRUNCATED', 'K4NET_CONNECTION');
    }
  });

  it('reports K4NET_CONNECTION after a reset', async () => {
    const { near, far } = await fixture.tcpStreams();
    const client = fixture.keep(new EncryptedSocket(near, key));
    const server = fixture.keep(new EncryptedSocket(far, { key: keys.server, isServer: true }));
    await Promise.all([client.handshake(), server.handshake()]);
    await server.send('whole');
    await until(() => client.stats().bytesReceived > 0);
    const here = refused(server.recv(), 'K4NET_CONNECTION');
    far.resetAndDestroy();
    expect(textOf(await client.recv())).toBe('whole');
    await refused(client.recv(), 'K4NET_CONNECTION');
    await here;
  });

  it('is not closed cleanly before the end of the session arrives, although this side has closed', async () => {
    // The relay drops the close record of the server, which is its last one, and ends.
    let last = false;
    const { near, far } = await relayed((unit, way) => (way === 'down' && last ? 'end' : [unit]));
    await far.send('one');
    await until(() => near.stats().bytesReceived > 0);
    last = true;
    const closing = far.close();
    expect(textOf(await near.recv())).toBe('one');
    await refused(near.recv(), 'K4NET_TRUNCATED');
    await closing;
    expect((await near.closed).code).toBe('K4NET_TRUNCATED');
    expect((await far.closed).code).not.toBe('K4NET_CLOSED');
  });

  it('reports K4NET_TRUNCATED inside a message and never delivers the first part', async () => {
    let records = 0;
    const { near, far } = await relayed((unit, way) => {
      if (way === 'up') return [unit];
      records += 1;
      return records > 4 ? 'end' : [unit];
    });
    await far.send('whole');
    void far.send(pattern(1_500_000)).catch(() => undefined);
    expect(textOf(await near.recv())).toBe('whole');
    await refused(near.recv(), 'K4NET_TRUNCATED');
  });
});
