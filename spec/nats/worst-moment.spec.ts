import { expect, it } from 'vitest';
import type { NatsConnectionLike } from '../../lib/nats/nats-connection.js';
import { connectNats } from '../../lib/nats/connect-nats.js';
import { hubFor } from '../../lib/nats/hubs.js';
import { listenNats } from '../../lib/nats/listen-nats.js';
import { ping } from '../../lib/nats/ping.js';
import { NatsListener } from '../../lib/nats/nats-listener.js';
import { instanceSubject, randomId } from '../../lib/nats/subjects.js';
import type { Transport } from '../../lib/transport/transport.js';
import { Deferred } from '../../lib/util/wait.js';
import { useFixture } from '../support/fixture.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { pattern, same } from '../support/random.js';
import { RecordingSink } from '../support/recorder.js';
import { failure, reasonOf, until } from '../support/sockets.js';

/** The same connection, whose server never answers a `flush`. */
function withoutFlush(nc: NatsConnectionLike): NatsConnectionLike {
  return new Proxy<NatsConnectionLike>(nc, {
    get: (target, name) => {
      if (name === 'flush') return () => new Promise<void>(() => undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

describeNats('over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  it('a full instance whose connection to NATS closes fails all of its sessions', async () => {
    const nc = await nats.connection();
    const server = await listenNats(nc, 'plain', { plain: true, maxSessions: 2, onError: () => undefined });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const own = await nats.connection();
    for (let i = 0; i < 2; i += 1) fixture.keep(await connectNats(own, 'plain', { plain: true }));
    const sockets = server[Symbol.asyncIterator]();
    const accepted = [(await sockets.next()).value!, (await sockets.next()).value!];
    const failures = accepted.map((each) => failure(each.recv(), 'K4NET_CONNECTION'));
    await nc.close();
    await Promise.all(failures);
  });

  it('connectNats ends with its timeout while the server of NATS answers nothing', async () => {
    const nc = await nats.connection();
    const deaf = withoutFlush(nc);
    await failure(connectNats(deaf, 'plain', { plain: true, timeout: 50 }), 'K4NET_TIMEOUT');
    const stop = new AbortController();
    const connecting = connectNats(deaf, 'plain', { plain: true, signal: stop.signal });
    stop.abort(new Error('enough'));
    expect(await reasonOf(connecting)).toBe(stop.signal.reason);
  });

  it('a question for instances ends with its timeout while the server of NATS answers nothing', async () => {
    const nc = await nats.connection();
    const deaf = withoutFlush(nc);
    await failure(ping(hubFor(deaf, {}), 'plain', { timeout: 50, limit: 1 }), 'K4NET_CONNECT');
  });

  it('a slow reader gets everything although the peer has finished long ago', async () => {
    const heartbeat = { interval: 50, timeout: 200 };
    const id = randomId();
    const instance = { name: 'half', id, version: '0.0.0', metadata: {} };
    const listener = new NatsListener(hubFor(await nats.connection(), {}), instance, 1);
    fixture.onCleanup(() => listener.close());
    const accepted = new Deferred<Transport>();
    await listener.open({
      accept: ({ transport }) => {
        accepted.resolve(transport);
      },
      report: () => undefined,
    });
    const hub = hubFor(await nats.connection(), { heartbeat });
    const near = await hub.open(instanceSubject('half', id), new AbortController().signal);
    const far = await accepted.promise;
    const [reader, writer] = [new RecordingSink(), new RecordingSink()];
    reader.onData = () => false;
    near.attach(reader);
    far.attach(writer);
    near.end();
    await writer.untilEnd();
    const data = pattern(100_000);
    far.write([data]);
    far.end();
    await writer.untilClose();
    expect(writer.cause).toBeUndefined();
    // Longer than the reader's side accepts silence.
    const begin = performance.now();
    await until(() => performance.now() > begin + 400);
    reader.onData = () => true;
    near.resume();
    await reader.untilClose();
    expect(reader.cause).toBeUndefined();
    expect(same(reader.bytes, data)).toBe(true);
    expect(reader.events).toEqual(['data', 'end', 'close']);
  });
});
