import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { Group, type GroupMember } from '../../lib/queue/group.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { PayloadConstructor } from '../../lib/queue/call-types.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { keys } from '../support/keys.js';
import { useFixture, type QueuePair } from '../support/fixture.js';
import { textIn } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { fill, reasonOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

interface Listener extends QueuePair {
  /** The texts that the peer of `near` got, with the names of their messages. */
  readonly heard: string[];
}

/** A queue socket whose peer records messages. */
async function listener(names: readonly string[] = ['said']): Promise<Listener> {
  const pair = await fixture.startedQueuePair();
  const heard: string[] = [];
  for (const name of names)
    pair.far.registerCallback(name, (reader) => void heard.push(`${name} ${textIn(reader)}`));
  return { ...pair, heard };
}

async function listeners(count: number, group?: Group): Promise<Listener[]> {
  const all: Listener[] = [];
  for (let i = 0; i < count; i += 1) all.push(await listener());
  for (const { near } of all) group?.add(near);
  return all;
}

/** A queue socket whose send queue is full, because its peer does not read. */
async function fullQueue(): Promise<QueuePair> {
  const pair = await fixture.queuePair();
  pair.near.start();
  await fill(pair.near);
  return pair;
}

describe('a group', () => {
  it('contains each member once, in the order in which they were added', async () => {
    const group = new Group();
    const [a, b] = await listeners(2);
    expect(group.add(b!.near).add(a!.near).add(b!.near)).toBe(group);
    expect([...group]).toEqual([b!.near, a!.near]);
    expect([group.size, group.has(a!.near), group.has(a!.far)]).toEqual([2, true, false]);
    expect([group.delete(b!.near), group.delete(b!.near), group.size]).toEqual([true, false, 1]);
    expect([...group]).toEqual([a!.near]);
  });

  it('accepts members that are added and deleted in a loop over it', async () => {
    const group = new Group();
    const queues = (await listeners(4)).map(({ near }) => near);
    group.add(queues[0]!).add(queues[1]!);
    const seen: GroupMember[] = [];
    for (const member of group) {
      seen.push(member);
      group.delete(member);
      const next = queues[seen.length + 1];
      if (next) group.add(next);
    }
    expect(seen).toEqual(queues);
    expect(group.size).toBe(0);
  });

  it.each<[how: string, end: (pair: QueuePair) => unknown]>([
    ['is closed', ({ near }) => near.close()],
    ['is aborted', ({ near }) => near.abort()],
    ['is closed below the queue', ({ nearSocket }) => nearSocket.close()],
    ['is drained', ({ near }) => near.drain()],
    ['is closed by the peer', ({ far }) => far.close()],
    ['is aborted by the peer', ({ far }) => far.abort()],
    [
      'is cut',
      ({ cut }) => {
        cut();
      },
    ],
  ])('loses a member that %s before its closed resolves', async (_, end) => {
    const group = new Group();
    const pair = await listener();
    group.add(pair.near);
    void end(pair);
    const size = pair.near.closed.then(() => group.size);
    expect(await size).toBe(0);
    expect(group.has(pair.near)).toBe(false);
  });

  it('loses a member in the same turn in which the program closes it', async () => {
    const group = new Group();
    const [a, b, c] = await listeners(3, group);
    void a!.near.close();
    void b!.near.abort();
    void c!.nearSocket.close();
    expect(group.size).toBe(0);
  });

  it('loses a member whose onClose has not finished', async () => {
    const group = new Group();
    const { near } = await fixture.startedQueuePair({ near: { onClose: () => turns(5) } });
    group.add(near);
    const closed = near.close();
    expect([near.readyState, group.size]).toEqual(['open', 0]);
    expect([group.add(near).size, group.has(near)]).toEqual([0, false]);
    await closed;
  });

  it('does not add a socket that closes or has closed', async () => {
    const group = new Group();
    const { near } = await fixture.startedQueuePair();
    const closed = near.close();
    expect(group.add(near).size).toBe(0);
    await closed;
    expect(group.add(near).size).toBe(0);
    const other = await fixture.socketPair();
    await other.near.close(undefined, { timeout: 0 });
    expect(group.add(new QueueSocket(other.near)).size).toBe(0);
  });

  it('rejects anything but a queue socket as a member', async () => {
    const group = new Group();
    const { near } = await fixture.socketPair();
    for (const wrong of [undefined, null, {}, 'queue', near, new Group()]) {
      const member = wrong as QueueSocket;
      for (const method of ['add', 'delete', 'has'] as const)
        expect(() => group[method](member)).toThrow(/must be a QueueSocket, not /);
      if (wrong === undefined || wrong instanceof Group) continue;
      expect(await reasonOf(group.send('said', '', { except: member }))).toBeInstanceOf(TypeError);
    }
  });

  it('that is dropped is collected while its members and former members stay open', async () => {
    setFlagsFromString('--expose_gc');
    const gc = runInNewContext('gc') as () => void;
    const [one] = await listeners(1);
    const groups = Array.from({ length: 40 }, (_, i) => {
      const group = new Group().add(one!.near);
      if (i % 2 === 0) group.delete(one!.near);
      return new WeakRef(group);
    });
    await until(() => {
      gc();
      return groups.every((group) => !group.deref());
    });
    expect(new Group().add(one!.near).size).toBe(1);
  });
});

describe('a message to a group', () => {
  it('is encoded once and goes to every member, and send resolves with their number', async () => {
    const group = new Group();
    const all = await listeners(3, group);
    let calls = 0;
    const hello: PayloadConstructor = (writer) => {
      calls += 1;
      writer.write(Buffer.from('hello'));
    };
    expect(await group.send('said', hello)).toBe(3);
    await until(() => all.every(({ heard }) => heard.length > 0));
    expect(all.map(({ heard }) => heard)).toEqual(Array(3).fill(['said hello']));
    expect(calls).toBe(1);
    expect(await new Group().send('said', hello)).toBe(0);
  });

  it('does not go to the exceptions: a member, a list, a set, another group', async () => {
    const group = new Group();
    const [a, b, c] = await listeners(3, group);
    const { near: stranger } = await fixture.queuePair();
    expect(await group.send('said', '1', { except: a!.near })).toBe(2);
    expect(await group.send('said', '2', { except: [a!.near, b!.near, stranger] })).toBe(1);
    expect(await group.send('said', '3', { except: new Set([c!.near]) })).toBe(2);
    expect(await group.send('said', '4', { except: new Group().add(b!.near) })).toBe(2);
    expect(await group.send('said', '5', { except: group })).toBe(0);
    expect(await group.send('said', '6', { except: undefined })).toBe(3);
    await until(() => [a!, b!, c!].every(({ heard }) => heard.includes('said 6')));
    expect(a!.heard).toEqual(['said 3', 'said 4', 'said 6']);
    expect(b!.heard).toEqual(['said 1', 'said 3', 'said 6']);
    expect(c!.heard).toEqual(['said 1', 'said 2', 'said 4', 'said 6']);
  });

  it('arrives in order with the messages that the program sends to one member', async () => {
    const group = new Group();
    const [one] = await listeners(1, group);
    const expected: string[] = [];
    for (let i = 0; i < 50; i += 1) {
      void group.send('said', `group ${i}`);
      void one!.near.sendRegistered('said', `alone ${i}`);
      expected.push(`said group ${i}`, `said alone ${i}`);
    }
    await until(() => one!.heard.length === 100);
    expect(one!.heard).toEqual(expected);
  });

  it.each([10, 100_000])('of %i bytes that the caller changes afterwards arrives unchanged', async (size) => {
    const group = new Group();
    const slow = await fullQueue();
    const received: Uint8Array[] = [];
    slow.far.registerCallback('said', (reader) => void received.push(reader.read().slice()));
    group.add(slow.near);
    const bytes = new Uint8Array(size).fill(7);
    const sent = group.send('said', bytes);
    bytes.fill(0);
    slow.far.start();
    const drop = (): void => void slow.far.recv().then(drop, () => undefined);
    drop();
    expect(await sent).toBe(1);
    await until(() => received.length > 0);
    expect(received).toEqual([new Uint8Array(size).fill(7)]);
  });

  it('rejects for an error of the program, and then sends nothing', async () => {
    const group = new Group();
    const [one] = await listeners(1, group);
    const wrong = [
      group.send('', 'x'),
      group.send('naïve', 'x'),
      group.send(5 as never, 'x'),
      group.send('said', 5 as never),
      group.send('said', () => {
        throw new RangeError('no');
      }),
      group.send('said', 'x', { slow: 'never' as never }),
      group.send('said', 'x', { fast: true } as never),
    ];
    const reasons = await Promise.all(wrong.map(reasonOf));
    expect(reasons.map((reason) => (reason as Error).name)).toEqual([
      'RangeError',
      'RangeError',
      'TypeError',
      'TypeError',
      'RangeError',
      'TypeError',
      'TypeError',
    ]);
    await group.send('said', 'last');
    await until(() => one!.heard.length > 0);
    expect(one!.heard).toEqual(['said last']);
  });

  it('that a callback sends while another is being sent comes after it, to every member', async () => {
    const group = new Group();
    const all = await listeners(3);
    const seen = all.map((): string[] => []);
    all.forEach(({ near, far }, i) => {
      group.add(near);
      far.registerCallback('said', (reader) => {
        const text = textIn(reader);
        seen[i]!.push(text);
        if (i === 0 && text.length < 5) void group.send('said', `${text}!`);
      });
    });
    await group.send('said', 'a');
    await until(() => seen.every(({ length }) => length === 5));
    expect(seen).toEqual(Array(3).fill(['a', 'a!', 'a!!', 'a!!!', 'a!!!!']));
  });

  it.each(['wait', 'drop', 'close'] as const)(
    "waits for the handshake of a member that is encrypted, with slow: '%s'",
    async (slow) => {
      const { client, server } = await fixture.encryptedPair('TCP');
      const [near, far] = [new QueueSocket(server), new QueueSocket(client)];
      const heard: string[] = [];
      far.registerCallback('said', (reader) => void heard.push(textIn(reader)));
      const group = new Group().add(near);
      const sent = group.send('said', 'early', { slow });
      near.start();
      far.start();
      expect(await sent).toBe(1);
      await until(() => heard.length > 0);
      expect(heard).toEqual(['early']);
    },
  );
});

describe('a member whose send queue is full', () => {
  it("is closed during its handshake too, with slow: 'close'", async () => {
    const { near: stream } = await fixture.tcpStreams();
    const socket = new EncryptedSocket(stream, { key: keys.server.publicKey });
    const member = fixture.keep(new QueueSocket(socket));
    const group = new Group().add(member);
    while (member.bufferedAmount < 256 * 1024) void group.send('said', new Uint8Array(10_000));
    expect([member.readyState, group.size]).toEqual(['connecting', 1]);
    expect(await group.send('said', 'x', { slow: 'drop' })).toBe(0);
    expect(await group.send('said', 'x', { slow: 'close' })).toBe(0);
    expect(group.size).toBe(0);
    expect((await member.closed).error?.cause).toMatchObject({ code: 'K4NET_BUSY' });
  });

  it("gets the message later and makes send wait, with slow: 'wait'; the others get it at once", async () => {
    const group = new Group();
    const slow = await fullQueue();
    const heard: string[] = [];
    slow.far.registerCallback('said', (reader) => void heard.push(textIn(reader)));
    group.add(slow.near);
    const [fast] = await listeners(1, group);
    const before = slow.near.bufferedAmount;
    const sent = watch(group.send('said', 'hello'));
    await until(() => fast!.heard.length > 0);
    await turns(50);
    expect(sent.state).toBe('pending');
    expect([fast!.near.bufferedAmount, slow.near.bufferedAmount - before]).toEqual([0, 14]);

    slow.far.start();
    const drop = (): void => void slow.far.recv().then(drop, () => undefined);
    drop();
    await until(() => sent.state === 'resolved' && heard.length > 0);
    expect([sent.value, heard]).toEqual([2, ['hello']]);
  });

  it('that closes while a message waits for it does not count, and send resolves', async () => {
    const group = new Group();
    const slow = await fullQueue();
    group.add(slow.near);
    await listeners(1, group);
    const sent = group.send('said', 'hello');
    void slow.near.abort(undefined, { timeout: 0 });
    expect(await sent).toBe(1);
    expect(group.size).toBe(1);
  });

  it("does not get the message with slow: 'drop'", async () => {
    const group = new Group();
    const slow = await fullQueue();
    group.add(slow.near);
    const [fast] = await listeners(1, group);
    const before = slow.near.bufferedAmount;
    expect(await group.send('said', 'hello', { slow: 'drop' })).toBe(1);
    await until(() => fast!.heard.length > 0);
    expect([slow.near.bufferedAmount, group.size]).toEqual([before, 2]);
  });

  it("is closed with slow: 'close', and its closed has the reason", async () => {
    const group = new Group();
    const slow = await fullQueue();
    group.add(slow.near);
    const [fast] = await listeners(1, group);
    const sent = group.send('said', 'hello', { slow: 'close' });
    expect([...group]).toEqual([fast!.near]);
    expect(await sent).toBe(1);
    const { code, error } = await slow.near.closed;
    const cause = error?.cause;
    expect([code, K4netError.is(cause) && cause.code]).toEqual(['K4NET_ABORTED', 'K4NET_BUSY']);
    expect((cause as Error).message).toMatch(/^the peer reads too slowly: \d+ bytes wait .*highWaterMark/);
    await until(() => fast!.heard.length > 0);
  });

  it.each(['drop', 'close'] as const)(
    "is judged a turn after it became full with slow: '%s', so that a sender that awaits loses nothing",
    async (slow) => {
      const group = new Group();
      const [one] = await listeners(1, group);
      const size = 100_000;
      let received = 0;
      one!.far.registerCallback('bytes', () => void (received += 1));
      for (let i = 0; i < 50; i += 1)
        expect(await group.send('bytes', new Uint8Array(size), { slow })).toBe(1);
      await until(() => received === 50);
      expect(group.size).toBe(1);
    },
  );
});
