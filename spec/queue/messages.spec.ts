import { describe, expect, it } from 'vitest';
import { BinaryReader } from '../../lib/binary/reader.js';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import type { CallbackContext } from '../../lib/queue/types.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import { Deferred } from '../../lib/util/wait.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { textOf, until } from '../support/sockets.js';
import { textIn } from '../support/queue.js';

describe.each(socketKinds)('QueueSocket, %s: messages', (carrier) => {
  const fixture = useFixture(carrier);

  it('go to the callback of their name, with a reader and a context', async () => {
    const { near, far } = await fixture.queuePair();
    const calls: { reader: BinaryReader; context: CallbackContext; text: string }[] = [];
    far.registerCallback('chat', (reader, context) => {
      calls.push({ reader, context, text: textIn(reader) });
    });
    far.start();
    void near.sendRegistered('chat', 'hello');
    void near.sendRegistered('chat');
    void near.sendRegistered('chat', new Uint8Array([0, 0xff]));
    void near.sendRegistered('chat', (writer: BinaryWriter) => {
      writer.writeUint(0x41424344);
    });
    await until(() => calls.length === 4);
    expect(calls.map(({ text }) => text)).toEqual(['hello', '', '\0\ufffd', 'DCBA']);
    for (const { reader, context } of calls) {
      expect(reader).toBeInstanceOf(BinaryReader);
      expect(context.socket).toBe(far);
      expect(context.name).toBe('chat');
      expect(context.signal.aborted).toBe(false);
    }
  });

  it('are the bytes of the Python library on the wire, both ways', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const seen: string[] = [];
    queue.registerCallback('a name with spaces', (reader) => void seen.push(textIn(reader)));
    queue.start();
    void queue.sendRegistered('pos', new Uint8Array([0, 1]));
    expect(textOf(await peer.recv())).toBe('pos\0\0\u0001');
    void peer.send('a name with spaces\0\0x');
    await until(() => seen.length > 0);
    expect(seen).toEqual(['\0x']);
  });

  it("go to recv unchanged and in order where no callback takes them, with unmatched: 'queue'", async () => {
    const { queue, peer } = await fixture.queueWithPeer({ unmatched: 'queue' });
    queue.registerCallback('known', () => undefined);
    queue.start();
    const raw = [
      'no NUL',
      '',
      '\0',
      '\0K',
      'unknown\0x',
      'grüße\0x',
      `${'n'.repeat(256)}\0`,
      'tab\t\0',
      'knowN\0',
    ];
    for (const text of raw) {
      void peer.send(text);
      void peer.send('known\0');
    }
    for (const text of raw) expect(textOf(await queue.recv())).toBe(text);
    expect(queue.stats().callbacksRun).toBe(raw.length);
  });

  it('of any size pass in both directions at once, with and without a name', async () => {
    const { near, far } = await fixture.queuePair();
    const sizes = [0, 1, 1000, 16 * 1024, 100_000, 0, 700_000, 5];
    for (const sock of [near, far]) {
      sock.registerCallback('data', (reader) => {
        const i = seen[sock === near ? 0 : 1].push(reader.read().slice());
        expect(i).toBeLessThanOrEqual(sizes.length);
      });
      sock.start();
    }
    const seen: [Uint8Array[], Uint8Array[]] = [[], []];
    const exchange = async (from: QueueSocket, to: QueueSocket): Promise<void> => {
      const sent = sizes.map(async (size, i) => {
        await from.sendRegistered('data', pattern(size, i));
        await from.send(pattern(size, i + 50));
      });
      const got: Uint8Array[] = [];
      while (got.length < sizes.length) got.push(await to.recv());
      await Promise.all(sent);
      for (const size of sizes)
        expect(got.some((each) => same(each, pattern(size, sizes.indexOf(size) + 50)))).toBe(true);
    };
    await Promise.all([exchange(near, far), exchange(far, near)]);
    await until(() => seen[0].length + seen[1].length === 2 * sizes.length);
    for (const side of seen)
      for (const [i, size] of sizes.entries()) expect(same(side[i]!, pattern(size, i))).toBe(true);
  });

  it('that arrived before start are handled after it, in order', async () => {
    const { near, far, farSocket } = await fixture.queuePair();
    const seen: string[] = [];
    void near.sendRegistered('a', '1');
    void near.send('raw');
    void near.sendRegistered('a', '2');
    await until(() => farSocket.stats().bytesReceived >= near.stats().bytesSent);
    far.start();
    // Registered after start, in the same piece of code: nothing has been given out yet.
    far.registerCallback('a', (reader) => void seen.push(textIn(reader)));
    expect(textOf(await far.recv())).toBe('raw');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['1', '2']);
  });

  it('wait while an asynchronous callback runs, and keep their order', async () => {
    const { near, far } = await fixture.queuePair();
    const seen: string[] = [];
    const gates = new Map<string, Deferred<void>>();
    far.registerCallback('sync', (reader) => void seen.push(textIn(reader)));
    far.registerCallback('async', async (reader) => {
      const text = textIn(reader);
      seen.push(`${text} begins`);
      gates.set(text, new Deferred());
      await gates.get(text)?.promise;
      seen.push(`${text} ends`);
    });
    far.start();
    for (const [name, text] of [
      ['sync', '1'],
      ['async', '2'],
      ['sync', '3'],
      ['async', '4'],
      ['sync', '5'],
    ] as const)
      void near.sendRegistered(name, text);
    await until(() => gates.has('2'));
    await until(() => far.stats().callbackQueue.messages === 3);
    await turns(5);
    expect(seen).toEqual(['1', '2 begins']);
    gates.get('2')?.resolve();
    await until(() => gates.has('4'));
    expect(seen).toEqual(['1', '2 begins', '2 ends', '3', '4 begins']);
    gates.get('4')?.resolve();
    await until(() => seen.length === 7);
    expect(seen.slice(5)).toEqual(['4 ends', '5']);
  });
});

describe.each(socketKinds)('QueueSocket, %s: messages that are held', (carrier) => {
  const fixture = useFixture(carrier);

  it('are handled when their callback with a concurrency of its own was replaced or removed', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual', unmatched: 'queue' } });
    const called: string[] = [];
    far.registerCallback('one', () => void called.push('first'), { concurrency: 1 });
    far.registerCallback('two', () => void called.push('gone'), { concurrency: 1 });
    await near.sendRegistered('one');
    await near.sendRegistered('two');
    await until(() => far.stats().callbackQueue.messages === 2);
    far.registerCallback('one', () => void called.push('second'));
    far.removeCallback('two');
    expect(await far.recvRegistered()).toBe(2);
    expect(called).toEqual(['second']);
    expect(textOf(await far.recv())).toBe('two\0');
  });
});

describe.each(socketKinds)('QueueSocket, %s: an empty message that waits', (carrier) => {
  const fixture = useFixture(carrier);

  it('does not keep the buffer of its neighbours in memory', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    let kept = -1;
    far.registerCallback('empty', (reader) => {
      kept = reader.data.buffer.byteLength;
    });
    void near.sendRegistered('empty');
    await near.send(new Uint8Array(10_000));
    expect((await far.recv()).length).toBe(10_000);
    expect(await far.recvRegistered()).toBe(1);
    expect(kept).toBe(0);
  });
});

describe.each(socketKinds)('QueueSocket, %s: a callback of a request', (carrier) => {
  const fixture = useFixture(carrier);

  it.each([0, 1, 64])('keeps no other received bytes in memory for a payload of %i bytes', async (size) => {
    const { near, far } = await fixture.startedQueuePair();
    const kept: number[] = [];
    far.registerCallback('ask', (reader) => {
      kept.push(reader.data.buffer.byteLength);
    });
    // All of them and the message come in one run of bytes.
    const answers = Array.from({ length: 4 }, () => near.call('ask', new Uint8Array(size)));
    void near.send(new Uint8Array(10_000));
    await Promise.all(answers);
    expect(kept.length).toBe(4);
    for (const bytes of kept) expect(bytes).toBeLessThanOrEqual(size === 0 ? 0 : 2 * size + 64);
  });
});
