import { createRequire } from 'node:module';
import { build, type Plugin } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type * as K4net from '../../lib/index.js';
import type { connectNats, NatsConnectionLike } from '../../lib/nats/index.js';
import { codec } from '../../lib/index.js';
import { needDist, root } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { openPlace, places, startChromium, type Place } from './chromium.js';
import { startSite } from './site.js';

/** A page or a worker with the built package and the NATS client for browsers. */
interface NatsScope {
  readonly k4net: Pick<typeof K4net, 'codec' | 'QueueSocket'>;
  readonly connectNats: typeof connectNats;
  readonly wsconnect: (options: { servers: string }) => Promise<NatsConnectionLike & Closing>;
}

interface Closing {
  close(): Promise<void>;
}

/** The core that the NATS client for Node brings along: the one for browsers is the same. */
const natsCore: Plugin = {
  name: 'nats-core',
  setup: (bundler) => {
    const { resolve } = createRequire(createRequire(import.meta.url).resolve('@nats-io/transport-node'));
    bundler.onResolve({ filter: /^@nats-io\/nats-core$/ }, ({ path }) => ({ path: resolve(path) }));
  },
};

async function bundle(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import * as k4net from 'k4net';
        import { connectNats } from 'k4net/nats';
        import { wsconnect } from '@nats-io/nats-core';
        Object.assign(globalThis, { k4net, connectNats, wsconnect, placeReady: true });`,
      resolveDir: root,
    },
    plugins: [natsCore],
    // An import of a module of Node is an error.
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    bundle: true,
    write: false,
    tsconfigRaw: '{}',
    logLevel: 'error',
  });
  return new Map([['page.js', outputFiles[0]!.contents]]);
}

const messages = { add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32) };
const config = 'websocket { listen: "127.0.0.1:<websocket>", no_tls: true }';
const pin = keys.server.fingerprint;

/** Chromium complains about the close frame of nats-server 2.9, whose status code is reserved. */
function problemsOf({ problems }: Place): string[] {
  return problems.filter((each) => !each.includes('broken close frame'));
}

describeNats('a service over the websocket of NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { config });
  let chromium: Awaited<ReturnType<typeof startChromium>>;
  let site: Awaited<ReturnType<typeof startSite>>;
  beforeAll(needDist);
  beforeAll(async () => {
    chromium = await startChromium();
    site = await startSite({ '/nats/': await bundle() });
  });
  afterAll(async () => {
    await chromium.close();
    await site.close();
  });

  const servers = (): string => `ws://127.0.0.1:${nats.server.port('websocket')}`;

  it.each(places)('gets 1 MiB from a %s and sends it back, encrypted and pinned', async (name) => {
    await nats.echo();
    const place = await openPlace(await chromium.newContext(), site.origin, '/nats/page.js', name);
    const outcome = await place.evaluate(
      async (given) => {
        const { connectNats, wsconnect } = globalThis as unknown as NatsScope;
        const nc = await wsconnect({ servers: given.servers });
        const socket = await connectNats(nc, 'orders', { pin: given.pin });
        const message = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 7) & 255);
        const [back] = await Promise.all([socket.recv(), socket.send(message)]);
        const { peer } = socket;
        await socket.close();
        await nc.close();
        return {
          same: back.length === message.length && back.every((byte, index) => byte === message[index]),
          how: peer.how,
          authenticated: peer.authenticated,
        };
      },
      { servers: servers(), pin },
    );
    expect(outcome).toEqual({ same: true, how: 'pin', authenticated: true });
    expect(problemsOf(place)).toEqual([]);
  });

  it('answers typed calls of a page', async () => {
    const { server } = await nats.instance();
    void server.serveQueue({ messages, callbacks: { add: ({ a, b }) => a + b } });
    const place = await openPlace(await chromium.newContext(), site.origin, '/nats/page.js');
    const sums = await place.evaluate(
      async (given) => {
        const { connectNats, k4net, wsconnect } = globalThis as unknown as NatsScope;
        const { codec, QueueSocket } = k4net;
        const nc = await wsconnect({ servers: given.servers });
        const queue = new QueueSocket(await connectNats(nc, 'orders', { pin: given.pin }));
        const typed = queue.typed({
          add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
        });
        queue.start();
        const calls = Array.from({ length: 100 }, (_, a) => typed.call('add', { a, b: 1 }));
        const answers = await Promise.all(calls);
        await queue.close();
        await nc.close();
        return answers;
      },
      { servers: servers(), pin },
    );
    expect(sums).toEqual(Array.from({ length: 100 }, (_, a) => a + 1));
    expect(problemsOf(place)).toEqual([]);
  });

  it('with another key is refused by a page with K4NET_KEY_MISMATCH', async () => {
    await nats.echo({ key: keys.other });
    const place = await openPlace(await chromium.newContext(), site.origin, '/nats/page.js');
    const code = await place.evaluate(
      async (given) => {
        const { connectNats, wsconnect } = globalThis as unknown as NatsScope;
        const nc = await wsconnect({ servers: given.servers });
        const refused: unknown = await connectNats(nc, 'orders', { pin: given.pin }).catch(
          (error: unknown) => error,
        );
        await nc.close();
        return (refused as { readonly code: string }).code;
      },
      { servers: servers(), pin },
    );
    expect(code).toBe('K4NET_KEY_MISMATCH');
  });
});
