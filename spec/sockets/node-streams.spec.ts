import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { messageReadable } from '../../lib/sockets/no-node-streams.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { useFixture } from '../support/fixture.js';
import { pattern } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { arrived, failure, reasonOf, receiveAll, textOf, until } from '../support/sockets.js';

const mib = 1024 * 1024;
const hashOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
/** A destination that takes chunks only when the test says so. */
const slowWritable = (): { stream: Writable; chunks: unknown[]; next: () => void } => {
  const chunks: unknown[] = [];
  let done: (() => void) | undefined;
  const stream = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(chunk, _encoding, callback) {
      chunks.push(chunk);
      done = callback;
    },
  });
  return { stream, chunks, next: () => done?.() };
};

describe.each(['plain over TCP', 'encrypted over TCP'] as const)(
  'the Node streams of a socket, %s',
  (kind) => {
    const fixture = useFixture(kind);

    it('carry a file of 50 MiB with bounded memory', async () => {
      const { near, far } = await fixture.socketPair();
      const folder = await fixture.folder();
      const [from, to] = [path.join(folder, 'from'), path.join(folder, 'to')];
      const content = pattern(50 * mib);
      await writeFile(from, content);
      const received = far.readable();
      let most = 0;
      const watch = new Transform({
        transform(chunk, _encoding, callback) {
          most = Math.max(most, near.bufferedAmount);
          callback(null, chunk);
        },
      });
      await Promise.all([
        pipeline(createReadStream(from), near.writable()),
        pipeline(received, watch, createWriteStream(to)),
      ]);
      expect(hashOf(await readFile(to))).toBe(hashOf(content));
      expect(most).toBeLessThan(2 * mib);
      await Promise.all([near.closed, far.closed]);
    });

    it('end when the peer ends, and send an answer after that', async () => {
      const { near, far } = await fixture.socketPair();
      const answered = pipeline(
        far.readable(),
        new Transform({
          objectMode: true,
          transform: (chunk: Uint8Array, _encoding, callback) => {
            callback(null, chunk);
          },
          flush(callback) {
            setImmediate(() => {
              callback(null, 'end');
            });
          },
        }),
        far.writable(),
      );
      await pipeline(Readable.from(['one', 'two']), near.writable());
      expect((await receiveAll(near)).map(textOf)).toEqual(['one', 'two', 'end']);
      await answered;
      expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it('fail with the error of a socket that breaks, in both directions', async () => {
      const { near, far, cut } = await fixture.socketPair();
      await near.send('first');
      const reading = reasonOf(pipeline(far.readable(), new PassThrough().resume()));
      const writing = reasonOf(pipeline(new PassThrough(), far.writable()));
      await until(() => far.stats().messagesReceived === 1);
      cut();
      const { error } = await far.closed;
      expect(error).toBeDefined();
      expect(await reading).toBe(error);
      expect(await writing).toBe(error);
    });
  },
);

describe('readable()', () => {
  const fixture = useFixture();

  it('gives each message as a chunk, also empty ones', async () => {
    const { near, far } = await fixture.socketPair();
    for (const size of [0, 3, 0, 100_000]) await near.send(pattern(size));
    await near.end();
    const lengths: number[] = [];
    for await (const message of far.readable()) lengths.push(message.length);
    expect(lengths).toEqual([0, 3, 0, 100_000]);
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('takes at most two messages beyond those that its reader has accepted', async () => {
    const { near, far } = await fixture.socketPair();
    const { stream, chunks, next } = slowWritable();
    for (let i = 0; i < 20; i += 1) await near.send(`${i}`);
    await near.end();
    const piped = pipeline(far.readable(), stream);
    await turns();
    expect(chunks.length).toBe(1);
    expect(far.stats().messagesReceived).toBeLessThanOrEqual(3);
    for (let i = 1; i <= 20; i += 1) {
      await until(() => chunks.length === i);
      next();
    }
    await piped;
  });

  it('loses no message when it is destroyed while it waits, and leaves the socket open', async () => {
    const { near, far } = await fixture.socketPair();
    const readable = far.readable();
    readable.on('data', () => expect.fail('no message was there'));
    await turns();
    readable.destroy();
    await near.send('later');
    expect(await far.recvText()).toBe('later');
    expect(far.readyState).toBe('open');
  });

  it('leaves the socket open if its destination fails', async () => {
    const { near, far } = await fixture.socketPair();
    const full = new Error('disk full');
    const failing = new Writable({
      objectMode: true,
      write: (_chunk, _encoding, callback) => {
        callback(full);
      },
    });
    const piped = reasonOf(pipeline(far.readable(), failing));
    await near.send('message');
    expect(await piped).toBe(full);
    expect(far.readyState).toBe('open');
    await near.send('next');
    expect(await far.recvText()).toBe('next');
  });

  it('ends as a loop does if this side closes', async () => {
    const { near, far } = await fixture.socketPair();
    const read = pipeline(far.readable(), new PassThrough().resume());
    await Promise.all([far.close(), near.close()]);
    await read;
  });

  it('leaves a socket with allowHalfOpen open when the peer has ended', async () => {
    const { near, far } = await fixture.socketPair({}, { allowHalfOpen: true });
    await near.end();
    await pipeline(far.readable(), new PassThrough().resume());
    await far.send('still open');
    expect(await near.recvText()).toBe('still open');
  });

  it('fails with K4NET_TOO_LARGE for a message over maxSize, after the messages before it', async () => {
    const { near, far } = await fixture.socketPair({}, { maxSize: 10 });
    await near.send('short');
    await near.send('much too long');
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const message of far.readable()) chunks.push(textOf(message));
    })();
    await failure(reading, 'K4NET_TOO_LARGE');
    expect(chunks).toEqual(['short']);
  });

  it('throws K4NET_STATE, like writable(), for a socket of a QueueSocket', async () => {
    const { near } = await fixture.socketPair();
    new QueueSocket(near);
    const call = async (open: () => unknown): Promise<unknown> => Promise.resolve(open());
    await failure(
      call(() => near.readable()),
      'K4NET_STATE',
    );
    await failure(
      call(() => near.writable()),
      'K4NET_STATE',
    );
  });

  it('throws K4NET_UNSUPPORTED in the build for browsers', async () => {
    const { near } = await fixture.socketPair();
    const call = (async () => Promise.resolve(messageReadable(near, () => undefined)))();
    await failure(call, 'K4NET_UNSUPPORTED');
  });
});

describe('writable()', () => {
  const fixture = useFixture();

  it('sends each chunk as a message: bytes, text and nothing', async () => {
    const { near, far } = await fixture.socketPair();
    const writable = near.writable();
    writable.write(Uint8Array.of(65));
    writable.write('');
    writable.write('ÿ');
    writable.end('ff', 'hex');
    const messages = await receiveAll(far);
    expect(messages.map((message) => [...message])).toEqual([[65], [], [195, 191], [255]]);
  });

  it('makes its source wait while the peer does not read', async () => {
    const { near, far } = await fixture.socketPair();
    let made = 0;
    const source = new Readable({
      highWaterMark: 0,
      read() {
        made += 1;
        this.push(made > 1000 ? null : new Uint8Array(65536));
      },
    });
    const sent = pipeline(source, near.writable());
    await arrived(far, 65536);
    for (let before = 0; before !== made;) {
      before = made;
      await turns();
    }
    expect(made).toBeLessThan(200);
    let count = 0;
    for await (const message of far) count += message.length / 65536;
    await sent;
    expect(count).toBe(1000);
  });

  it('stays open after a pipeline with end: false', async () => {
    const { near, far } = await fixture.socketPair();
    await pipeline(Readable.from(['one']), near.writable(), { end: false });
    await pipeline(Readable.from(['two']), near.writable());
    expect((await receiveAll(far)).map(textOf)).toEqual(['one', 'two']);
  });

  it('leaves the socket open if its source fails, so that abort tells the peer', async () => {
    const { near, far } = await fixture.socketPair();
    const broken = new Error('no disk');
    const source = new Readable({
      read() {
        this.destroy(broken);
      },
    });
    expect(await reasonOf(pipeline(source, near.writable()))).toBe(broken);
    expect(near.readyState).toBe('open');
    await Promise.all([near.abort(broken), failure(far.recv(), 'K4NET_CONNECTION')]);
  });

  it('fails if this side closes the socket before its end', async () => {
    const { near, far } = await fixture.socketPair();
    const sending = reasonOf(pipeline(new PassThrough(), near.writable()));
    await Promise.all([near.close(), far.close()]);
    expect(await sending).toMatchObject({ code: 'K4NET_CLOSED' });
  });
});
