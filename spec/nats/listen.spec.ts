import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { connectNats } from '../../lib/nats/connect-nats.js';
import { listenNats } from '../../lib/nats/listen-nats.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { failure, textOf, until } from '../support/sockets.js';

const pin = keys.server.fingerprint;

describeNats('a service over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  describe('a session', () => {
    it('is an encrypted socket whose peer has the pinned key', async () => {
      await nats.echo();
      const client = await nats.client();
      await client.send('hello');
      expect(textOf(await client.recv())).toBe('hello');
      expect(client.peer.fingerprint).toBe(pin);
      expect(client.remoteAddress).toBe('');
    });

    it('can be plain', async () => {
      const nc = await nats.connection();
      const server = await listenNats(nc, 'plain', { plain: true });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      const client = fixture.keep(await connectNats(nc, 'plain', { plain: true }));
      const [accepted] = await Promise.all([server[Symbol.asyncIterator]().next(), client.send('open')]);
      expect(textOf(await accepted.value!.recv())).toBe('open');
      await Promise.all([client.close(), accepted.value!.close()]);
    });

    it('has the known-hosts name of the service', async () => {
      await nats.echo();
      const knownHosts = memoryKnownHosts();
      const nc = await nats.connection();
      fixture.keep(await connectNats(nc, 'orders', { knownHosts }));
      expect((await knownHosts.get('nats:orders'))?.fingerprint).toBe(pin);
    });

    it('reaches the instance whose id the client names', async () => {
      const servers = [await nats.instance(), await nats.instance(), await nats.instance()];
      const { server } = servers[1]!;
      for (let i = 0; i < 5; i += 1) await nats.client({ instance: server.id });
      expect(servers.map((each) => each.server.connections)).toEqual([0, 5, 0]);
      expect(server.id).toMatch(/^[A-Za-z0-9]{22}$/);
    });

    it('goes to any of several instances', async () => {
      const servers = [await nats.instance(), await nats.instance()];
      const nc = await nats.connection();
      while (servers.some(({ server }) => server.connections === 0)) await nats.client({}, nc);
    });
  });

  describe('connectNats', () => {
    it('rejects at once with K4NET_CONNECT when no instance listens', async () => {
      const nc = await nats.connection();
      const connecting = connectNats(nc, 'nobody', { pin, retry: false, timeout: 1_000 });
      const error = await failure(connecting, 'K4NET_CONNECT');
      expect(error.message).toBe('no connection to k4net.nobody.one: nobody listens there');
    });

    it('tries again until an instance is there', async () => {
      const nc = await nats.connection();
      const retry = { retries: Infinity, minDelay: 10, maxDelay: 20 };
      const connecting = connectNats(nc, 'orders', { pin, retry });
      await nats.echo();
      fixture.keep(await connecting);
    });

    it('rejects with K4NET_KEY_MISMATCH, without a retry, for a false instance', async () => {
      const { errors } = await nats.instance({ key: keys.other });
      const nc = await nats.connection();
      await failure(connectNats(nc, 'orders', { pin }), 'K4NET_KEY_MISMATCH');
      await until(() => errors.length === 1);
    });

    it('rejects with the reason of its signal and leaves no session behind', async () => {
      const { server } = await nats.instance();
      const nc = await nats.connection();
      const stop = new AbortController();
      const connecting = connectNats(nc, 'orders', { pin, signal: stop.signal });
      stop.abort(new Error('enough'));
      await expect(connecting).rejects.toThrow('enough');
      await until(() => server.connections === 0);
    });

    it('rejects with K4NET_CONNECT over a connection that is closed', async () => {
      const nc = await nats.connection();
      await nc.close();
      const error = await failure(connectNats(nc, 'orders', { pin }), 'K4NET_CONNECT');
      expect(error.message).toContain('the connection to NATS is closed');
    });
  });

  describe('maxSessions', () => {
    it('makes an instance leave the queue group and refuse those who name it', async () => {
      const full = await nats.instance({ maxSessions: 1 });
      const nc = await nats.connection();
      const first = await nats.client({}, nc);
      const other = await nats.instance({ maxSessions: 100 });
      for (let i = 0; i < 8; i += 1) await nats.client({}, nc);
      expect([full, other].map(({ server }) => server.connections)).toEqual([1, 8]);
      const refused = connectNats(nc, 'orders', { pin, instance: full.server.id, retry: false });
      await failure(refused, 'K4NET_BUSY');
      const taken = await full.server[Symbol.asyncIterator]().next();
      await Promise.all([first.close(), taken.value!.close()]);
      await other.server.close({ timeout: 0 });
      await nats.client({}, nc);
      expect(full.server.connections).toBe(1);
    });
  });

  describe('a server that closes', () => {
    it('ends its sessions with K4NET_CLOSED, and new ones go elsewhere', async () => {
      const closing = await nats.instance();
      void closing.server.serve(async (sock, { signal }) => {
        signal.addEventListener('abort', () => void sock.close());
        await sock.closed;
      });
      const nc = await nats.connection();
      const client = await nats.client({}, nc);
      const other = await nats.echo();
      const waiting = failure(client.recv(), 'K4NET_CLOSED');
      await closing.server.close();
      await waiting;
      await nats.client({}, nc);
      expect(other.server.connections).toBe(1);
    });
  });

  describe('options', () => {
    it('rejects other values of window, inboxPrefix and heartbeat for the same connection', async () => {
      const nc = await nats.connection();
      await nats.instance({ window: 65_536, inboxPrefix: '_INBOX.a', heartbeat: { interval: 1_000 } }, nc);
      const connect = (options: object): Promise<unknown> => connectNats(nc, 'orders', { pin, ...options });
      await expect(connect({ window: 8192 })).rejects.toThrow(
        'window is 65536 for this connection to NATS already, so it cannot be 8192',
      );
      await expect(connect({ inboxPrefix: '_INBOX.b' })).rejects.toThrow(TypeError);
      await expect(connect({ heartbeat: { timeout: 1_500 } })).rejects.toThrow(TypeError);
      await nats.client({ window: 65_536 }, nc);
    });

    it.each([
      ['a name with a dot', (nc: never) => listenNats(nc, 'a.b', { ephemeralKey: true })],
      ['an empty name', (nc: never) => connectNats(nc, '')],
      ['an instance with a wildcard', (nc: never) => connectNats(nc, 'a', { instance: '*' })],
      ['a prefix with a wildcard', (nc: never) => connectNats(nc, 'a', { inboxPrefix: 'x.>' })],
      [
        'a version of two numbers',
        (nc: never) => listenNats(nc, 'a', { ephemeralKey: true, version: '1.0' }),
      ],
      ['no connection', () => connectNats({} as never, 'a')],
      ['an option of listen', (nc: never) => listenNats(nc, 'a', { port: 1 } as never)],
    ])('rejects %s with a TypeError', async (_what, call) => {
      const nc = await nats.connection();
      await expect(call(nc as never)).rejects.toThrow(TypeError);
    });

    it('rejects a window that is too small, and metadata that is too long', async () => {
      const nc = await nats.connection();
      await expect(connectNats(nc, 'a', { window: 100 })).rejects.toThrow(RangeError);
      const metadata = { text: 'x'.repeat(20_000) };
      await expect(listenNats(nc, 'a', { ephemeralKey: true, metadata })).rejects.toThrow(RangeError);
    });

    it('rejects a server without a key like listen', async () => {
      const nc = await nats.connection();
      const error: unknown = await listenNats(nc, 'a', {}).catch((reason: unknown) => reason);
      expect(K4netError.is(error)).toBe(false);
      expect(String(error)).toContain("listenNats needs 'key'");
    });
  });
});
