import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../lib/crypto/key-pair.js';
import type { EncryptedSocketOptions } from '../../lib/sockets/encrypted-socket-options.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { turns } from '../support/recorder.js';
import { useFixture, wires } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { expectDiscreet, outcome, refused } from '../support/secrets.js';
import { reasonOf, receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const client = { key: keys.server.publicKey };
const server = { isServer: true, key: keys.server } as const;

/** A peer that reads and never writes, and the bytes that it read. */
async function silence(options: EncryptedSocketOptions) {
  const { near, far } = await fixture.tcpStreams();
  let heard = 0;
  far.on('data', (chunk: Buffer) => (heard += chunk.length));
  return { sock: fixture.keep(new EncryptedSocket(near, options)), far, heard: () => heard };
}

describe.each(wires)('the handshake over %s', (wire) => {
  it('does not start when the program only reads properties', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    await turns(20);
    for (const sock of [near, far]) {
      expect(sock.readyState).toBe('connecting');
      expect(sock.peer).toBeUndefined();
      expect(sock.sessionId).toBeUndefined();
      expect(sock.bufferedAmount).toBe(0);
      expect(sock.stats().bytesReceived).toBe(0);
    }
    await talk(near, far);
  });

  it.each(['send', 'recv', 'tryRecv', 'handshake', 'rekey', 'export', 'loop'] as const)(
    'starts with %s, and with a recv of the peer',
    async (how) => {
      const { client: near, server: far } = await fixture.encryptedPair(wire);
      const got = far.recv();
      const begin: Record<typeof how, () => unknown> = {
        send: () => near.send('first'),
        recv: () => near.recv().catch(() => undefined),
        tryRecv: () => {
          expect(near.tryRecv()).toBeUndefined();
        },
        handshake: () => near.handshake(),
        rekey: () => near.rekey(),
        export: () => near.export('a label', new Uint8Array(0), 1),
        loop: () => void receiveAll(near),
      };
      void begin[how]();
      await until(() => near.readyState === 'open' && far.readyState === 'open');
      if (how !== 'send') await near.send('first');
      expect(textOf(await got)).toBe('first');
    },
  );

  it('runs once, however many calls ask for it', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    const all = [near.handshake(), near.handshake(), far.handshake(), far.handshake(), near.handshake()];
    const [one, two, three, four, five] = await Promise.all(all);
    expect(one).toEqual(two);
    expect(one).toEqual(five);
    expect(three).toEqual(four);
    expect(one).toEqual(near.peer);
    const id = near.sessionId!;
    expect(await near.handshake()).toEqual(one);
    expect(near.sessionId).toEqual(id);
    expect(far.sessionId).toEqual(id);
    expect(id).toHaveLength(32);
    expect(near.readyState).toBe('open');
  });

  it('delays earlier sends and receives and keeps their order', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    const words = Array.from({ length: 50 }, (_, i) => `word ${i}`);
    const received = Promise.all(words.map(() => far.recvText()));
    const back = near.recvText();
    await Promise.all(words.map((word) => near.send(word)));
    void far.send('back');
    expect(await received).toEqual(words);
    expect(await back).toBe('back');
  });

  it('continues when a wait for it times out', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    const stop = new AbortController();
    const reason = new Error('no longer');
    const aborted = reasonOf(near.handshake({ signal: stop.signal }));
    const late = refused(near.handshake({ timeout: 1 }), 'K4NET_TIMEOUT');
    const now = refused(near.handshake({ timeout: 0 }), 'K4NET_TIMEOUT');
    stop.abort(reason);
    expect(await aborted).toBe(reason);
    await late;
    await now;
    expect(near.readyState).toBe('connecting');
    expect(await reasonOf(near.handshake({ signal: stop.signal }))).toBe(reason);
    await Promise.all([near.handshake(), far.handshake({ timeout: 20_000 })]);
    expect(near.readyState).toBe('open');
    await talk(near, far);
  });

  it('does not run on a socket that closes first, on either side', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    const { closed } = near;
    await Promise.all([near.close(), far.close()]);
    expect(await closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
    for (const sock of [near, far]) {
      expect(sock.readyState).toBe('closed');
      expect(sock.peer).toBeUndefined();
      await refused(sock.handshake(), 'K4NET_CLOSED');
      await refused(sock.send('late'), 'K4NET_CLOSED');
      await refused(sock.recv(), 'K4NET_CLOSED');
      await sock.close();
    }
  });

  it.each(['client', 'server'] as const)(
    'fails on the other side when the %s closes before it',
    async (who) => {
      const pair = await fixture.encryptedPair(wire);
      const [one, other] =
        who === 'client' ? [pair.client, pair.server] : ([pair.server, pair.client] as const);
      const closing = one.close();
      const waits = [refused(other.recv(), 'K4NET_PEER_CLOSED'), refused(sent(other), 'K4NET_PEER_CLOSED')];
      await refused(other.handshake(), 'K4NET_PEER_CLOSED');
      await Promise.all(waits);
      await closing;
      expect(await one.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect((await other.closed).code).toBe('K4NET_PEER_CLOSED');
    },
  );

  it('completes during a close, which still delivers the sent messages', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    void near.send('one');
    void near.send('two');
    const closing = near.close('three');
    expect((await receiveAll(far)).map(textOf)).toEqual(['one', 'two', 'three']);
    await closing;
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('completes during a close of the server too', async () => {
    const { client: near, server: far } = await fixture.encryptedPair(wire);
    void far.send('one');
    const closing = far.close('two');
    expect((await receiveAll(near)).map(textOf)).toEqual(['one', 'two']);
    await closing;
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('fails on both sides between two clients or two servers', async () => {
    const { near, far } = await fixture.tcpStreams();
    const [a, b] = [new EncryptedSocket(near, client), new EncryptedSocket(far, client)].map((sock) =>
      fixture.keep(sock),
    ) as [EncryptedSocket, EncryptedSocket];
    const failures = await Promise.all([outcome(a.handshake()), outcome(b.handshake())]);
    // Each gets a ClientHello in place of a ServerHello, or the other one has closed for that
    // reason.
    expect(failures).toContain('K4NET_UNEXPECTED');
    for (const code of failures) expect(['K4NET_UNEXPECTED', 'K4NET_PEER_CLOSED']).toContain(code);
    const other = await fixture.tcpStreams();
    const timed = { ...server, handshakeTimeout: 20 };
    const [c, d] = [
      fixture.keep(new EncryptedSocket(other.near, timed)),
      fixture.keep(new EncryptedSocket(other.far, { ...timed, handshakeTimeout: 2_000 })),
    ];
    // Both wait for the other until the first timeout.
    const [first, second] = await Promise.all([outcome(c.handshake()), outcome(d.handshake())]);
    expect(first).toBe('K4NET_TIMEOUT');
    expect(['K4NET_UNEXPECTED', 'K4NET_PEER_CLOSED', 'K4NET_NOT_K4NET']).toContain(second);
  });
});

async function talk(near: EncryptedSocket, far: EncryptedSocket): Promise<void> {
  void near.send('are you there?');
  expect(textOf(await far.recv())).toBe('are you there?');
  expect(near.readyState).toBe('open');
}

/** A message that was written: `send` alone resolves when there is room for it. */
async function sent(sock: EncryptedSocket): Promise<void> {
  await sock.send('x');
  await sock.flush();
}

describe('an encrypted peer that sends nothing', () => {
  it('receives nothing until this side has something to send', async () => {
    const { sock, heard } = await silence(client);
    await turns(20);
    expect(heard()).toBe(0);
    expect(sock.tryRecv()).toBeUndefined();
    await until(() => heard() > 0);
    expect(sock.readyState).toBe('connecting');
  });

  it.each([
    ['client', client],
    ['server', server],
  ] as const)('costs a %s its handshake, when the deadline comes', async (_, options) => {
    const { sock, far } = await silence({ ...options, handshakeTimeout: 25 });
    const waits = [sock.recv(), sent(sock), sock.rekey(), sock.export('x', new Uint8Array(0), 1)].map(
      outcome,
    );
    const error = await refused(sock.handshake(), 'K4NET_TIMEOUT');
    expect(error).toMatchObject({ timeout: 25 });
    expect(await Promise.all(waits)).toEqual(Array(4).fill('K4NET_TIMEOUT'));
    expect(await sock.closed).toEqual({ code: 'K4NET_TIMEOUT', error });
    expect(await reasonOf(sock.handshake())).toBe(error);
    if (!far.readableEnded) await once(far, 'end');
  });

  it('delays a close by its timeout at most', async () => {
    const { sock } = await silence(client);
    const waits = [outcome(sock.handshake()), outcome(sock.recv())];
    await sock.close('never read', { timeout: 10 });
    expect((await sock.closed).code).toBe('K4NET_TIMEOUT');
    const [shaken, received] = await Promise.all(waits);
    expect(shaken).toBe('K4NET_TIMEOUT');
    expect(['K4NET_CLOSED', 'K4NET_TIMEOUT']).toContain(received);
  });

  it('does not delay a close of an unused socket', async () => {
    const { sock, far, heard } = await silence(client);
    const ended = once(far, 'end');
    const closing = sock.close();
    await ended;
    expect(heard()).toBe(0);
    far.end();
    await closing;
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('is reported as a peer that closed when it ends at once', async () => {
    for (const options of [client, server]) {
      const { sock, far } = await silence(options);
      far.end();
      const error = await refused(sock.handshake(), 'K4NET_PEER_CLOSED');
      if (options === client) expect(error.message).toContain('it may not speak k4net/1');
    }
  });

  it('is reported as a failed connection when it resets', async () => {
    const { sock, far } = await silence(client);
    const shaken = refused(sock.handshake(), 'K4NET_CONNECTION');
    await once(far, 'data');
    far.resetAndDestroy();
    await shaken;
  });
});

describe('closing with wrong arguments', () => {
  it('changes nothing', async () => {
    const { client: near, server: far } = await fixture.encryptedPair('memory');
    expect(await reasonOf(near.close(undefined, { timeout: -1 }))).toBeInstanceOf(RangeError);
    expect(await reasonOf(near.close(undefined, { timeuot: 1 } as never))).toBeInstanceOf(TypeError);
    expect(near.readyState).toBe('connecting');
    await Promise.all([near.handshake(), far.handshake()]);
    await talk(near, far);
  });

  it('starts no handshake', async () => {
    const { sock, heard } = await silence(client);
    expect(await reasonOf(sock.handshake({ timeout: -1 }))).toBeInstanceOf(RangeError);
    expect(await reasonOf(sock.handshake({ maxSize: 1 } as never))).toBeInstanceOf(TypeError);
    expect(await reasonOf(sock.handshake({ signal: AbortSignal.abort(new Error('early')) }))).toMatchObject({
      message: 'early',
    });
    await turns(20);
    expect(heard()).toBe(0);
  });
});

describe('a socket that is used for a moment', () => {
  it('leaves no timer, no listener and no handle behind', async () => {
    // Run once before, so that objects made once for each process exist.
    await both();
    const before = resources();
    for (let i = 0; i < 5; i += 1) await both();
    await until(() => resources() <= before);
  });

  async function both(): Promise<void> {
    const { client: near, server: far } = await fixture.encryptedPair('TCP');
    const stop = new AbortController();
    let listeners = 0;
    const signal = {
      get aborted() {
        return stop.signal.aborted;
      },
      get reason(): unknown {
        return stop.signal.reason as unknown;
      },
      addEventListener: () => void (listeners += 1),
      removeEventListener: () => void (listeners -= 1),
    };
    await Promise.all([near.handshake({ signal, timeout: 60_000 }), far.handshake({ signal })]);
    expect(listeners).toBe(0);
    await near.send('x');
    await far.recv({ signal, timeout: 60_000 });
    expect(listeners).toBe(0);
    await Promise.all([near.close(), far.close()]);
    await fixture.release();
  }

  function resources(): number {
    return process
      .getActiveResourcesInfo()
      .filter((kind) => ['TCPSocketWrap', 'TCPServerWrap', 'Timeout'].includes(kind)).length;
  }
});

describe('printed and inspected values', () => {
  it('contain no private key', async () => {
    const made = await generateKeyPair({ keySize: 2048 });
    expectDiscreet(made);
    const options = { isServer: true, key: keys.server, clientAuth: 'wanted' } as const;
    const { client: near, server: far } = await fixture.establishedPair(
      'TCP',
      { ...client, clientKey: keys.ec },
      options,
    );
    for (const value of [options, keys, near, far, near.peer, far.peer, { ...client, clientKey: keys.rsa }]) {
      expectDiscreet(value);
    }
    // The detector itself works.
    expect(() => {
      expectDiscreet({ deep: [keys.server.toPem()] });
    }).toThrow();
    const der = Buffer.from(keys.ec.toPem().replace(/-----[^-]+-----|\s/g, ''), 'base64');
    for (const value of [der.toString('hex'), der, Uint8Array.from(der)]) {
      expect(() => {
        expectDiscreet(new Error('x', { cause: value }));
      }).toThrow();
    }
  });

  it('contain nothing of a key that cannot be used', async () => {
    const pem = keys.server.toPem();
    const lines = pem.split('\n');
    const damaged = [
      lines.toSpliced(5, 1).join('\n'),
      lines.toSpliced(12, 1, lines[13]!).join('\n'),
      pem.replace('PRIVATE KEY', 'FOREIGN KEY'),
      pem.replaceAll('PRIVATE KEY', 'PUBLIC KEY'),
      pem.slice(0, 800),
    ];
    for (const key of damaged) {
      const { far } = await fixture.tcpStreams();
      let error: unknown;
      try {
        error = await reasonOf(fixture.keep(new EncryptedSocket(far, { isServer: true, key })).handshake());
      } catch (thrown) {
        error = thrown;
      }
      expectDiscreet(error);
      expect((error as Error).message).not.toContain(lines[3]);
      const other = await fixture.rawServer(() => undefined);
      expect(other.count()).toBe(0);
    }
  });
});
