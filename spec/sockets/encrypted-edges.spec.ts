import { describe, expect, it } from 'vitest';
import { connect } from '../../lib/net/connect.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Sink, Transport } from '../../lib/transport/transport.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, until, watch } from '../support/sockets.js';

const fixture = useFixture();

/** Delivers every byte alone, and respects backpressure. */
function trickling(inner: Transport): Transport {
  let rest: number[] = [];
  let paused = false;
  let target: Sink | undefined;
  const flow = (): void => {
    while (!paused && rest.length > 0) paused = target?.data(Uint8Array.of(rest.shift()!)) === false;
  };
  return {
    remoteAddress: '',
    localAddress: '',
    attach: (sink, surplus) => {
      target = sink;
      inner.attach(
        {
          data: (chunk) => {
            rest = [...rest, ...chunk];
            flow();
            return true;
          },
          drain: () => {
            sink.drain();
          },
          end: () => {
            sink.end();
          },
          close: (cause) => {
            sink.close(cause);
          },
        },
        surplus,
      );
    },
    resume: () => {
      paused = false;
      flow();
      inner.resume();
    },
    write: (parts, done) => inner.write(parts, done),
    end: () => {
      inner.end();
    },
    abort: (cause) => {
      inner.abort(cause);
    },
    ref: () => undefined,
    unref: () => undefined,
  };
}

describe.each(['node', 'webcrypto'] as const)('with the cipher %s', (cipher) => {
  it('the handshake succeeds when every byte arrives alone, those of the confirm too', async () => {
    const [a, b] = memoryPair();
    const server = fixture.keep(
      new EncryptedSocket(trickling(a), { isServer: true, key: keys.server, clientAuth: 'required', cipher }),
    );
    const client = fixture.keep(
      new EncryptedSocket(trickling(b), { key: keys.server.publicKey, clientKey: keys.ec, cipher }),
    );
    await Promise.all([client.handshake(), server.handshake()]);
    await client.send('a');
    expect(await server.recvText()).toBe('a');
  });

  it('a waiting send rejects when the connection fails, although earlier messages are unread', async () => {
    const { near, far } = await fixture.tcpStreams();
    const client = fixture.keep(new EncryptedSocket(near, { key: keys.server.publicKey, cipher }));
    const server = fixture.keep(
      new EncryptedSocket(far, { isServer: true, key: keys.server, recvSize: 1024, cipher }),
    );
    await Promise.all([client.handshake(), server.handshake()]);
    await client.send('first');
    for (let i = 0; i < 20; i += 1) void client.send(new Uint8Array(30_000));
    await until(() => server.stats().bytesReceived > 1024);
    const flushed = watch(server.flush());
    await until(() => flushed.state === 'resolved');
    const sends = Array.from({ length: 400 }, () => server.send(new Uint8Array(60_000)));
    near.resetAndDestroy();
    // A writer notices a reset although reading is paused.
    await failure(Promise.all(sends), (await server.closed).code);
    expect((await server.closed).code).not.toBe('K4NET_CLOSED');
    expect(await server.recvText()).toBe('first');
  });
});

describe('a value that does not accept a key', () => {
  it('is any result of authorize except true', async () => {
    for (const answer of [-1, {}, 'yes', undefined]) {
      const { client, server } = await fixture.encryptedPair(
        'memory',
        { key: keys.server.publicKey, clientKey: keys.ec },
        { clientAuth: 'required', authorize: () => answer as unknown as boolean },
      );
      const shaken = server.handshake();
      await failure(client.handshake(), 'K4NET_PEER_ALERT');
      await failure(shaken, 'K4NET_CLIENT_KEY_REFUSED');
      expect(server.peer).toBeUndefined();
      expect(client.peer).toBeUndefined();
      expect(client.sessionId).toBeUndefined();
    }
  });

  it('is insecureAcceptAnyKey: false, so that the known hosts decide', async () => {
    const address = { port: 1, retry: false };
    await expect(connect({ ...address, knownHosts: false })).rejects.toThrow(/knownHosts: false/);
    await expect(connect({ ...address, knownHosts: false, insecureAcceptAnyKey: false })).rejects.toThrow(
      TypeError,
    );
    const both = { ...address, insecureAcceptAnyKey: false, knownHosts: memoryKnownHosts() };
    await failure(connect(both), 'K4NET_CONNECT');
  });

  it('is an unknown cipher', () => {
    const [a] = memoryPair();
    expect(() => new EncryptedSocket(a, { cipher: 'rot13' as 'auto' })).toThrow(/'rot13'/);
  });
});

describe('recv with a timeout of 0', () => {
  it('starts the handshake, as tryRecv does, so that polling makes progress', async () => {
    const { client, server } = await fixture.encryptedPair('memory');
    void server.send('here');
    await failure(client.recv({ timeout: 0 }), 'K4NET_TIMEOUT');
    await until(() => client.readyState === 'open');
    expect(await client.recvText()).toBe('here');
  });
});
