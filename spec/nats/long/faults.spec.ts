import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { connectNats } from '../../../lib/nats/connect-nats.js';
import { listenNats } from '../../../lib/nats/listen-nats.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { describeNats } from '../../support/nats.js';
import { useNats } from '../../support/nats-fixture.js';
import { pattern, same } from '../../support/random.js';
import { turns } from '../../support/recorder.js';
import { failure, textOf, until } from '../../support/sockets.js';

const pin = keys.server.fingerprint;
const program = fileURLToPath(new URL('../programs/instance.mjs', import.meta.url));
const library = new URL('../../../dist/nats/index.js', import.meta.url).href;
const mib = 1024 * 1024;

describeNats('over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { each: true });

  // The instances run the built package.
  beforeAll(needDist);

  /** An instance in a process of its own. */
  async function instanceProcess(): Promise<{ child: ChildProcess; id: string }> {
    const keyFile = join(await fixture.folder(), 'key.pem');
    await writeFile(keyFile, keys.server.toPem());
    const child = fork(program, [nats.server.url, library, keyFile]);
    fixture.onCleanup(() => child.kill('SIGKILL'));
    const [id] = (await once(child, 'message')) as [string];
    return { child, id };
  }

  describe('a client whose instance', () => {
    it('is killed gets K4NET_CONNECTION, and new sessions go elsewhere', async () => {
      const { child, id } = await instanceProcess();
      const nc = await nats.connection();
      const client = await nats.client({ instance: id }, nc);
      await client.send('hello');
      expect(textOf(await client.recv())).toBe('hello');
      child.kill('SIGKILL');
      await once(child, 'exit');
      await client.send('nobody hears this');
      await failure(client.recv(), 'K4NET_CONNECTION');
      await failure(connectNats(nc, 'orders', { pin, retry: false }), 'K4NET_CONNECT');
      await instanceProcess();
      await nats.client({}, nc);
    });

    it('is killed makes all sessions with it notice at once', async () => {
      const { child, id } = await instanceProcess();
      const nc = await nats.connection();
      const clients = [1, 2, 3].map(() => nats.client({ instance: id }, nc));
      const [first, ...others] = await Promise.all(clients);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await first!.send('nobody hears this');
      await failure(first!.recv(), 'K4NET_CONNECTION');
      // The others have sent nothing: they would ask after 5 s.
      for (const each of others) await failure(each.recv({ timeout: 1_000 }), 'K4NET_CONNECTION');
    });

    it('is stopped gets K4NET_TIMEOUT, and the instance a reset when it goes on', async () => {
      const { child, id } = await instanceProcess();
      const heartbeat = { interval: 200, timeout: 600 };
      const client = await nats.client({ instance: id, heartbeat });
      child.kill('SIGSTOP');
      await failure(client.recv(), 'K4NET_TIMEOUT');
      child.kill('SIGCONT');
      await nats.client({ instance: id });
    });

    it('closes gets K4NET_CLOSED', async () => {
      const { child, id } = await instanceProcess();
      const client = await nats.client({ instance: id });
      await client.send('hello');
      expect(textOf(await client.recv())).toBe('hello');
      child.send('close');
      const exited = once(child, 'exit');
      await failure(client.recv(), 'K4NET_CLOSED');
      await client.close();
      expect(await exited).toEqual([0, null]);
    });
  });

  describe('a nats-server that is away', () => {
    it('for a short time breaks no session, and what is sent meanwhile arrives', async () => {
      await nats.echo();
      const client = await nats.client();
      await client.send('before');
      expect(textOf(await client.recv())).toBe('before');
      await nats.server.kill();
      const large = pattern(3 * mib);
      const sending = client.send(large);
      await turns(100);
      await nats.server.start();
      const received = await client.recv();
      await sending;
      expect(same(received, large)).toBe(true);
    });

    it('breaks no session while messages go both ways all the time', async () => {
      await nats.echo();
      const client = await nats.client();
      const stop = new AbortController();
      let sent = 0;
      const sending = (async () => {
        while (!stop.signal.aborted) await client.send(`${(sent += 1)}`);
      })();
      let received = 0;
      const receiving = (async () => {
        for await (const message of client) {
          received += 1;
          if (textOf(message) !== String(received)) throw new Error(`${received} is missing`);
        }
      })();
      for (let round = 0; round < 3; round += 1) {
        const before = received;
        await until(() => received > before + 200);
        await nats.server.kill();
        await nats.server.start();
      }
      stop.abort();
      await sending;
      await until(() => received === sent);
      await client.close();
      await receiving;
    });

    it('for longer than the timeout fails sessions with K4NET_TIMEOUT, and connectNats with K4NET_CONNECT', async () => {
      await nats.echo({ heartbeat: { interval: 100, timeout: 300 } });
      const nc = await nats.connection();
      const client = await nats.client({ heartbeat: { interval: 100, timeout: 300 } }, nc);
      await nats.server.kill();
      await failure(client.recv(), 'K4NET_TIMEOUT');
      await failure(connectNats(nc, 'orders', { pin, retry: false }), 'K4NET_CONNECT');
      const connecting = connectNats(nc, 'orders', { pin, retry: { retries: Infinity, minDelay: 20 } });
      await nats.server.start();
      fixture.keep(await connecting);
    });
  });

  describe('a reader that stops', () => {
    it('makes send wait with bounded memory, and other sessions go on', async () => {
      const { server } = await nats.instance();
      const nc = await nats.connection();
      const slow = await nats.client({}, nc);
      const accepted = (await server[Symbol.asyncIterator]().next()).value!;
      void server.serve(async (sock) => {
        for await (const message of sock) await sock.send(message);
      });
      const piece = pattern(32 * 1024);
      let sent = 0;
      while (slow.trySend(piece)) {
        sent += piece.length;
        await turns(3);
      }
      expect(sent).toBeLessThan(3 * mib);
      const other = await nats.client({}, nc);
      await other.send('goes on');
      expect(textOf(await other.recv())).toBe('goes on');
      for (let left = sent; left > 0; left -= piece.length) await accepted.recv();
      await slow.flush();
    });
  });

  describe('a connection to NATS that closes', () => {
    it('fails the sessions with K4NET_CONNECTION, and the server reports it', async () => {
      const { nc, errors } = await nats.echo();
      const own = await nats.connection();
      const client = await nats.client({}, own);
      await own.close();
      await failure(client.recv(), 'K4NET_CONNECTION');
      await nc.close();
      await until(() => errors.some((each) => String(each).includes('the connection to NATS has closed')));
    });

    it('is what drain makes: an orderly end of the program loses nothing', async () => {
      const { server } = await nats.instance();
      const nc = await nats.connection();
      const client = await nats.client({}, nc);
      const accepted = (await server[Symbol.asyncIterator]().next()).value!;
      const closed = client.close('last words');
      expect(textOf(await accepted.recv())).toBe('last words');
      await Promise.all([closed, accepted.close()]);
      await nc.drain();
    });
  });

  describe('an open that is lost', () => {
    it('is tried again after 2 s', async () => {
      const server = await listenNats(await nats.connection(), 'plain', { plain: true });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      const nc = await nats.connection();
      let opens = 0;
      const losing = new Proxy(nc, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          if (name !== 'publish') return value.bind(target) as unknown;
          return (subject: string, ...rest: [Uint8Array]) => {
            if (subject === 'k4net.plain.one' && (opens += 1) === 1) return;
            target.publish(subject, ...rest);
          };
        },
      });
      fixture.keep(await connectNats(losing, 'plain', { plain: true }));
      expect(opens).toBe(2);
      expect(server.connections).toBe(1);
    });
  });
});
