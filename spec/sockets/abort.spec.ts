import { describe, expect, it } from 'vitest';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { Callback } from '../../lib/queue/types.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, fill, reasonOf, receiveAll, textOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

interface Kind {
  readonly name: string;
  readonly pair: () => Promise<{ near: LockedSocket; far: LockedSocket }>;
  readonly peerCode: 'K4NET_CONNECTION' | 'K4NET_PEER_ALERT';
}

async function plain(options: LockedSocketOptions = {}) {
  const { near, far } = await fixture.tcpStreams();
  return { near: new LockedSocket(near, options), far: new LockedSocket(far, options) };
}

async function encrypted(cipher: 'node' | 'webcrypto') {
  const { client, server } = await fixture.establishedPair(
    'TCP',
    { key: keys.server.publicKey, cipher },
    { cipher },
  );
  return { near: client as LockedSocket, far: server as LockedSocket };
}

const kinds: readonly Kind[] = [
  { name: 'plain TCP', pair: () => plain(), peerCode: 'K4NET_CONNECTION' },
  { name: 'encrypted TCP (node)', pair: () => encrypted('node'), peerCode: 'K4NET_PEER_ALERT' },
  { name: 'encrypted TCP (webcrypto)', pair: () => encrypted('webcrypto'), peerCode: 'K4NET_PEER_ALERT' },
];

describe.each(kinds)('abort over $name', ({ pair, peerCode }) => {
  it('delivers the earlier messages, then fails the peer', async () => {
    const { near, far } = await pair();
    const received = receiveAll(far).then(
      () => expect.fail('the end looked clean'),
      (reason: unknown) => reason,
    );
    for (let nth = 0; nth < 20; nth += 1) void near.send(`${nth}`);
    await near.abort(new Error('the disk is full'));
    expect(await received).toMatchObject({ code: peerCode });
    expect(far.stats().messagesReceived).toBe(20);
  });

  it('rejects every waiting call of this side with K4NET_ABORTED and the given cause', async () => {
    const { near } = await pair();
    const cause = new Error('the disk is full');
    const waiting = failure(near.recv(), 'K4NET_ABORTED');
    const aborted = near.abort(cause);
    expect(near.readyState).toBe('closing');
    await failure(near.send('too late'), 'K4NET_ABORTED');
    await failure(near.recv(), 'K4NET_ABORTED');
    expect((await waiting).cause).toBe(cause);
    await aborted;
    expect(near.readyState).toBe('closed');
    const { code, error } = await near.closed;
    expect(code).toBe('K4NET_ABORTED');
    expect(error?.cause).toBe(cause);
    await near.abort();
    await near.close();
  });

  it('stops waiting for a peer that does not read at its timeout', async () => {
    const { near } = await pair();
    await fill(near);
    // More than the system buffers: a message that the system takes would not be rejected.
    const last = watch(near.send(new Uint8Array(64 * 1024 * 1024)));
    await near.abort(undefined, { timeout: 50 });
    await until(() => last.state !== 'pending');
    expect(last.reason).toMatchObject({ code: 'K4NET_ABORTED' });
    expect(near.bufferedAmount).toBe(0);
  });

  it('reads and drops while it flushes, so that two sides that only send do not deadlock', async () => {
    const { near, far } = await pair();
    await Promise.all([fill(near), fill(far)]);
    const aborted = watch(near.abort(undefined, { timeout: Infinity }));
    await turns(50);
    expect(aborted.state).toBe('pending');
    expect(await reasonOf(receiveAll(far))).toMatchObject({ code: peerCode });
    await until(() => aborted.state === 'resolved');
  });

  it('fails a sending peer after end()', async () => {
    const { near, far } = await pair();
    await near.send('the last');
    await near.end();
    expect(textOf(await far.recv())).toBe('the last');
    await near.abort();
    expect((await near.closed).code).toBe('K4NET_ABORTED');
    // A peer that has received the end notices the reset when it writes.
    while (far.readyState === 'open') await far.send('to nobody').catch(() => undefined);
    expect((await far.closed).code).toBe('K4NET_CONNECTION');
  });

  it('aborts a QueueSocket: signals running callbacks, drops waiting messages, fails the calls of both sides', async () => {
    const { near, far } = await pair();
    const [one, two] = [new QueueSocket(near), new QueueSocket(far)];
    const begun: string[] = [];
    const told = new Promise((resolve) => {
      const work: Callback = (reader, { signal }) => {
        begun.push(textOf(reader.read(1)));
        signal.addEventListener('abort', () => {
          resolve(signal.reason);
        });
        return new Promise(() => undefined);
      };
      two.registerCallback('work', work, { concurrency: 1 });
    });
    one.start();
    two.start();
    const calls = [one.call('work', Uint8Array.of(49)), one.call('work', Uint8Array.of(50))].map(reasonOf);
    const unanswered = reasonOf(two.call('nobody'));
    one.registerCallback('nobody', () => new Promise(() => undefined));
    await until(() => begun.length === 1);
    const cause = new Error('the worker is gone');
    await two.abort(cause);
    expect(await told).toMatchObject({ code: 'K4NET_ABORTED', cause });
    expect(begun).toEqual(['1']);
    for (const call of calls) expect(await call).toMatchObject({ code: peerCode });
    expect(await unanswered).toMatchObject({ code: 'K4NET_ABORTED' });
    expect((await two.closed).code).toBe('K4NET_ABORTED');
    expect((await one.closed).code).toBe(peerCode);
  });
});

describe('abort', () => {
  it('starts no handshake', async () => {
    const { client, server } = await fixture.encryptedPair('TCP');
    await client.abort();
    expect((await client.closed).code).toBe('K4NET_ABORTED');
    expect((await server.handshake().catch((error: unknown) => error)) as Error).toMatchObject({
      code: 'K4NET_CONNECTION',
    });
  });

  it('delivers the earlier messages over a memory pair', async () => {
    const [near, far] = memoryPair().map((end) => new LockedSocket(end)) as [LockedSocket, LockedSocket];
    await near.send('before');
    const received = far.recv();
    await near.abort();
    expect(textOf(await received)).toBe('before');
    await failure(far.recv(), 'K4NET_CONNECTION');
  });

  it.each<[string, unknown, string, RegExp]>([
    ['an unknown option', { timeut: 1 }, 'TypeError', /'timeut'/],
    ['a negative timeout', { timeout: -1 }, 'RangeError', /timeout.*-1/],
  ])('rejects %s and changes nothing', async (_, options, name, message) => {
    const { near, far } = await plain();
    const reason = (await reasonOf(near.abort(undefined, options as never))) as Error;
    expect(reason.name).toBe(name);
    expect(reason.message).toMatch(message);
    await near.send('still here');
    expect(textOf(await far.recv())).toBe('still here');
    await Promise.all([near.close(), far.close()]);
  });
});
