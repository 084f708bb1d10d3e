import { describe, expect, it } from 'vitest';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { K4netError, type PeerAlertError } from '../../lib/errors.js';
import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { networkHandles, useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import type { Meddle } from '../support/relay.js';
import { refused } from '../support/secrets.js';
import { until } from '../support/sockets.js';

const fixture = useFixture();

const ciphers: readonly CipherChoice[] = ['node', 'webcrypto'];

/** A server that records the alerts of its clients, in the handshake or later. */
async function listening(options: Partial<EncryptedListenOptions>) {
  const heard: unknown[] = [];
  const server = await listen({
    port: 0,
    host: '127.0.0.1',
    key: keys.server,
    ...options,
    onError: (error) => {
      heard.push(error);
    },
  });
  void server.serve(async (sock) => {
    await sock.recv();
  });
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  return { heard, port: (server.address() as { port: number }).port };
}

interface Refusal {
  readonly why: string;
  readonly server: Partial<EncryptedListenOptions>;
  readonly client: () => Partial<EncryptedConnectOptions>;
  readonly meddle?: Meddle;
  readonly code: string;
  readonly alert: number;
}

const pinned = (): Partial<EncryptedConnectOptions> => ({ key: keys.server.publicKey });

const refusals: readonly Refusal[] = [
  {
    why: 'has no key to show',
    server: { clientAuth: 'required' },
    client: pinned,
    code: 'K4NET_CLIENT_KEY_REQUIRED',
    alert: 8,
  },
  {
    why: 'cannot remember the key of the server',
    server: {},
    client: () => {
      const store = memoryKnownHosts();
      return {
        knownHosts: {
          ...store,
          get: (name: string) => store.get(name),
          addIfAbsent: () => Promise.reject(new K4netError('K4NET_FILE', 'the disk is full')),
        },
      };
    },
    code: 'K4NET_FILE',
    alert: 13,
  },
  {
    why: 'gets a confirm that was changed on the way',
    server: { clientAuth: 'required' },
    client: () => ({ ...pinned(), clientKey: keys.ec }),
    meddle: (unit, way, nth) => {
      if (way === 'down' && nth === 2) unit[6]! ^= 1;
      return [unit];
    },
    code: 'K4NET_DECRYPT',
    alert: 2,
  },
  {
    why: 'gets a ServerFinished that was changed in its place',
    server: {},
    client: pinned,
    meddle: (unit, way, nth) => {
      if (way === 'down' && nth === 1) unit[6]! ^= 1;
      return [unit];
    },
    code: 'K4NET_SERVER_AUTH',
    // An impostor must learn nothing: the server only sees that the client is gone.
    alert: -1,
  },
];

describe.each(ciphers)('connect that fails in the handshake, with the %s cipher', (cipher) => {
  it.each(refusals)('sends an alert with the reason if the client $why', async (refusal) => {
    const { heard, port } = await listening({ ...refusal.server, cipher });
    const relay = await fixture.relay(port, refusal.meddle);
    await refused(
      connect({ port: relay.port, host: '127.0.0.1', cipher, retry: false, ...refusal.client() }),
      refusal.code,
    );
    await until(() => heard.length > 0);
    if (refusal.alert < 0) expect(heard).toMatchObject([{ code: 'K4NET_PEER_CLOSED' }]);
    else expect((heard as PeerAlertError[]).map(({ alert }) => alert)).toEqual([refusal.alert]);
  });

  it('closes the connection even if the server never ends it', async () => {
    const { port } = await fixture.rawServer((stream) => {
      stream.resume();
      stream.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const before = networkHandles();
    const address = { port, host: '127.0.0.1', key: keys.server.publicKey };
    await refused(connect({ ...address, cipher, retry: false }), 'K4NET_NOT_K4NET');
    // The server's end of the connection stays: that stream belongs to the test.
    await until(() => networkHandles() <= before + 1);
  });

  it('cuts the connection at its timeout, and when its signal aborts', async () => {
    for (const how of ['timeout', 'signal'] as const) {
      let cut: unknown;
      const { port } = await fixture.rawServer((stream) => {
        stream.resume();
        stream.on('error', (error) => (cut = error));
        stream.on('end', () => (cut ??= 'an end'));
      });
      const stop = new AbortController();
      const reason = new Error('changed my mind');
      const connecting = connect({
        port,
        host: '127.0.0.1',
        key: keys.server.publicKey,
        cipher,
        retry: false,
        ...(how === 'timeout' ? { timeout: 50 } : { signal: stop.signal }),
      });
      if (how === 'signal')
        setTimeout(() => {
          stop.abort(reason);
        }, 50);
      const error: unknown = await connecting.catch((thrown: unknown) => thrown);
      if (how === 'timeout') expect(error).toMatchObject({ code: 'K4NET_TIMEOUT' });
      else expect(error).toBe(reason);
      await until(() => cut !== undefined);
    }
  });
});
