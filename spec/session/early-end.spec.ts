import { describe, expect, it } from 'vitest';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { K4netError } from '../../lib/errors.js';
import { ClientHandshake } from '../../lib/session/handshake/client.js';
import { SecureTransport } from '../../lib/session/secure-transport.js';
import { ServerHandshake } from '../../lib/session/handshake/server.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { DuplexTransport } from '../../lib/transport/duplex.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Sink, Transport } from '../../lib/transport/transport.js';
import { Deferred } from '../../lib/util/wait.js';
import { frame } from '../support/frames.js';
import { same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { useFixture, wires } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { outcome } from '../support/secrets.js';
import { receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const ciphers: readonly CipherChoice[] = ['webcrypto', 'node'];
const keyed = [false, true];

/** Holds back all events of a transport, and then delivers them in one turn. */
class Gate implements Transport {
  readonly remoteAddress = '';
  readonly localAddress = '';
  readonly #inner: Transport;
  readonly #held: ((sink: Sink) => void)[] = [];
  #sink: Sink | undefined;
  #shut = false;
  ended = false;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  shut(): void {
    this.#shut = true;
  }

  /** Delivers the held events, and holds none from then on. */
  open(): void {
    this.#shut = false;
    for (const deliver of this.#held.splice(0)) if (this.#sink) deliver(this.#sink);
  }

  /** Closes the transport; the close waits behind the held events. */
  break(cause: K4netError): void {
    this.#deliver((sink) => {
      sink.close(cause);
    });
  }

  attach(sink: Sink): void {
    this.#sink = sink;
    this.#inner.attach({
      data: (chunk) => {
        this.#deliver((to) => to.data(chunk));
        return true;
      },
      drain: () => {
        sink.drain();
      },
      end: () => {
        this.ended = true;
        this.#deliver((to) => {
          to.end();
        });
      },
      close: (cause) => {
        this.#deliver((to) => {
          to.close(cause);
        });
      },
    });
  }

  resume(): void {
    this.#inner.resume();
  }

  write(...args: Parameters<Transport['write']>): boolean {
    return this.#inner.write(...args);
  }

  end(): void {
    this.#inner.end();
  }

  abort(cause?: K4netError): void {
    this.#inner.abort(cause);
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  #deliver(task: (sink: Sink) => void): void {
    if (this.#shut || !this.#sink) this.#held.push(task);
    else task(this.#sink);
  }
}

async function carriers(wire: 'memory' | 'TCP'): Promise<[Transport, Transport]> {
  if (wire === 'memory') return memoryPair();
  const { near, far } = await fixture.tcpStreams();
  return [new DuplexTransport(near), new DuplexTransport(far)];
}

describe.each(ciphers)(
  'a server that closes as soon as its handshake has succeeded, with the %s cipher,',
  (cipher) => {
    const clientOptions = (withKey: boolean) => ({
      key: keys.server.publicKey,
      cipher,
      ...(withKey && { clientKey: keys.ec }),
    });

    it.each(wires)('ends cleanly for its client over %s', async (wire) => {
      for (let i = 0; i < 60; i += 1) {
        const withKey = i % 2 > 0;
        const { client, server } = await fixture.encryptedPair(wire, clientOptions(withKey), {
          cipher,
          clientAuth: withKey ? 'required' : 'none',
        });
        const shaken = outcome(client.handshake());
        const messages = receiveAll(client);
        await server.handshake();
        await turns(i % 5);
        const closing = server.close(i % 3 > 0 ? undefined : 'goodbye');
        expect((await messages).map(textOf)).toEqual(i % 3 > 0 ? [] : ['goodbye']);
        expect(await shaken).toBe('ok');
        await closing;
        expect([(await client.closed).code, (await server.closed).code]).toEqual([
          'K4NET_CLOSED',
          'K4NET_CLOSED',
        ]);
      }
    });

    it.each(wires)(
      'ends cleanly for its client over %s when its records and its end arrive in one turn',
      async (wire) => {
        for (const withKey of keyed) {
          const [near, far] = await carriers(wire);
          const gate = new Gate(near);
          const client = fixture.keep(new EncryptedSocket(gate, clientOptions(withKey)));
          const server = fixture.keep(
            new EncryptedSocket(far, {
              isServer: true,
              key: keys.server,
              cipher,
              clientAuth: withKey ? 'required' : 'none',
            }),
          );
          const shaken = outcome(client.handshake());
          const messages = receiveAll(client);
          await server.handshake();
          gate.shut();
          const closing = server.close('goodbye');
          await until(() => gate.ended);
          gate.open();
          expect(await shaken).toBe('ok');
          expect((await messages).map(textOf)).toEqual(['goodbye']);
          await closing;
          expect((await client.closed).code).toBe('K4NET_CLOSED');
        }
      },
    );
  },
);

describe.each(ciphers)(
  'a connection that closes while its client still finishes the handshake, with the %s cipher,',
  (cipher) => {
    /**
     * A client that stores the server's key once `remembered` resolves, and a server that has
     * ended.
     */
    async function open(clientKey: boolean) {
      const [near, far] = memoryPair();
      const gate = new Gate(near);
      const remembered = new Deferred<void>();
      const client = new SecureTransport(gate, {
        timeout: 10_000,
        begin: () =>
          Promise.resolve(
            new ClientHandshake({
              serverKey: keys.server.publicKey,
              cipher,
              ...(clientKey && { identity: keys.ec }),
            }),
          ),
        succeeded: () => remembered.promise,
      });
      const server = new SecureTransport(far, {
        timeout: 10_000,
        begin: () =>
          Promise.resolve(
            new ServerHandshake({ key: keys.server, cipher, clientAuth: clientKey ? 'required' : 'none' }),
          ),
        succeeded: () => Promise.resolve(),
      });
      const sink = new RecordingSink();
      client.attach(sink);
      server.attach(new RecordingSink());
      client.start();
      server.start();
      await server.ready;
      server.write([frame('message')]);
      server.end();
      await until(() => gate.ended);
      return { gate, client, remembered, sink };
    }

    it.each(keyed)(
      'still delivers the message and the end of the server (client key: %s)',
      async (clientKey) => {
        const { gate, client, remembered, sink } = await open(clientKey);
        const cause = new K4netError('K4NET_CONNECTION', 'reset by the test');
        gate.break(cause);
        await turns(20);
        expect(sink.events).toEqual([]);
        remembered.resolve();
        await client.ready;
        await sink.untilClose();
        expect(sink.events).toEqual(['data', 'end', 'close']);
        expect(same(sink.bytes, frame('message'))).toBe(true);
        expect(sink.cause).toBe(cause);
      },
    );

    it('fails with the error of the store when the key of the server cannot be stored', async () => {
      const { gate, client, remembered, sink } = await open(false);
      gate.break(new K4netError('K4NET_CONNECTION', 'reset by the test'));
      remembered.reject(new K4netError('K4NET_FILE', 'the disk is full'));
      expect(await outcome(client.ready)).toBe('K4NET_FILE');
      await sink.untilClose();
      expect(sink.events).toEqual(['close']);
    });
  },
);
