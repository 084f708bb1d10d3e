import { PassThrough } from 'node:stream';
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { toTransport } from '../../lib/transport/to-transport.js';
import { maxBytesPerTurn } from '../../lib/transport/transport.js';
import { WebStreamTransport } from '../../lib/transport/web-streams.js';
import { concat, pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { until } from '../support/sockets.js';
import { webStreamPairs } from '../support/streams.js';

const kib = 1024;

/** A pair whose ends the test controls, and what was written to it. */
function scripted(write?: (chunk: Uint8Array) => Promise<void>) {
  let source: ReadableStreamDefaultController<unknown> | undefined;
  let target: WritableStreamDefaultController | undefined;
  const written: Uint8Array[] = [];
  const reasons: unknown[] = [];
  const readable = new ReadableStream<unknown>({
    start: (controller) => {
      source = controller;
    },
    cancel: (reason) => void reasons.push(reason),
  });
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      target = controller;
    },
    write: (chunk) => {
      written.push(chunk);
      return write?.(chunk);
    },
    abort: (reason) => void reasons.push(reason),
  });
  return { readable, writable, source: source!, target: target!, written, reasons };
}

const never = (): Promise<void> => new Promise(() => undefined);

function attached(pair: ReturnType<typeof scripted>): { transport: WebStreamTransport; sink: RecordingSink } {
  const transport = new WebStreamTransport(pair);
  const sink = new RecordingSink();
  transport.attach(sink);
  return { transport, sink };
}

describe('WebStreamTransport: accepted pairs', () => {
  it('rejects a locked stream with a TypeError, and leaves the other one unlocked', () => {
    const [one, two] = [scripted(), scripted()];
    one.readable.getReader();
    expect(() => toTransport(one)).toThrow(/readable of the pair is locked/);
    expect(one.writable.locked).toBe(false);
    two.writable.getWriter();
    expect(() => toTransport(two)).toThrow(TypeError);
    expect(two.readable.locked).toBe(false);
  });

  it('rejects half a pair, and a Web Stream beside a Node stream', () => {
    const { readable, writable } = scripted();
    for (const wrong of [
      { readable },
      { writable },
      { readable, writable: new PassThrough() },
      { readable: new PassThrough(), writable },
      { readable: true, writable: true },
    ]) {
      expect(() => toTransport(wrong as never)).toThrow(TypeError);
    }
  });

  it('fails at a chunk that is not bytes', async () => {
    for (const chunk of ['text', 1, {}, new ArrayBuffer(1), null, undefined]) {
      const pair = scripted();
      const { sink } = attached(pair);
      pair.source.enqueue(chunk);
      await sink.untilClose();
      expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
      expect(sink.cause?.message).toMatch(/^the stream gave .*, not bytes$/);
      expect(sink.events).toEqual(['close']);
    }
  });

  it('ends and closes without a cause when both streams had closed before', async () => {
    const pair = scripted();
    pair.source.close();
    await pair.writable.close();
    const { sink, transport } = attached(pair);
    transport.end();
    await sink.untilClose();
    expect(sink.events).toEqual(['end', 'close']);
    expect(sink.cause).toBeUndefined();
  });
});

describe('WebStreamTransport: reading', () => {
  it('gives the program its turns although short chunks never stop', async () => {
    for (const length of [0, 1]) {
      const readable = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          controller.enqueue(new Uint8Array(length));
        },
      });
      const { transport, sink } = attached({ ...scripted(), readable });
      await turns(20);
      expect(sink.chunks.length).toBeLessThanOrEqual(20 * (maxBytesPerTurn / kib + 1));
      transport.abort();
      await sink.untilClose();
    }
  });

  it('reads nothing more while its sink is paused', async () => {
    let pulled = 0;
    const readable = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulled += 1;
          controller.enqueue(new Uint8Array(1));
        },
      },
      { highWaterMark: 0 },
    );
    const sink = new RecordingSink();
    sink.onData = () => false;
    const transport = new WebStreamTransport({ ...scripted(), readable });
    transport.attach(sink);
    await turns(20);
    expect([pulled, sink.chunks.length]).toEqual([1, 1]);
    transport.abort();
  });

  it('keeps a chunk that arrives during a hand-over for the new sink', async () => {
    const pair = scripted();
    const { transport, sink } = attached(pair);
    await turns(2);
    pair.source.enqueue(pattern(5));
    const next = new RecordingSink();
    transport.attach(next, pattern(3));
    pair.source.close();
    await next.untilEnd();
    expect(same(next.bytes, concat([pattern(3), pattern(5)]))).toBe(true);
    expect(sink.events).toEqual([]);
    transport.abort();
  });
});

describe('WebStreamTransport: writing', () => {
  it('has 64 KiB with the stream at most, in copies', async () => {
    const pair = scripted(never);
    const { transport, sink } = attached(pair);
    const bytes = pattern(300 * kib);
    expect(transport.write([bytes.subarray(0, 10), bytes.subarray(10)])).toBe(false);
    await turns(5);
    // A stream has one chunk at a time with its sink, and keeps the others.
    expect(pair.written.map(({ length }) => length)).toEqual([32 * kib]);
    expect(pair.written[0]!.buffer).not.toBe(bytes.buffer);
    expect(pair.writable.locked).toBe(true);
    expect(sink.drains).toBe(0);
    transport.abort();
    await sink.untilClose();
  });

  it('joins short writes while the stream is busy, and calls each done in order', async () => {
    const releases: (() => void)[] = [];
    const pair = scripted(() => new Promise((resolve) => releases.push(resolve)));
    const { transport, sink } = attached(pair);
    const done: number[] = [];
    for (let i = 0; i < 1000; i += 1) transport.write([Uint8Array.of(i)], () => void done.push(i));
    while (done.length < 1000) {
      releases.shift()?.();
      await turns();
    }
    expect(done).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(pair.written.length).toBeLessThan(100);
    expect(same(concat(pair.written), Uint8Array.from(done))).toBe(true);
    expect(sink.drains).toBe(1);
    transport.abort();
  });

  it('writes to a stream that transfers its chunks', async () => {
    const sizes: number[] = [];
    const pair = scripted((chunk) => {
      sizes.push(structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] }).byteLength);
      return Promise.resolve();
    });
    const { transport } = attached(pair);
    for (let i = 0; i < 40; i += 1) transport.write([pattern(32 * kib)]);
    await until(() => sizes.length === 40);
    transport.abort();
  });

  it('drops what waits when it is aborted, and calls no done for it', async () => {
    const pair = scripted(never);
    const { transport, sink } = attached(pair);
    let done = 0;
    for (let i = 0; i < 5; i += 1) transport.write([pattern(100 * kib)], () => void (done += 1));
    transport.abort();
    await sink.untilClose();
    await turns(5);
    expect(done).toBe(0);
    expect(pair.written.length).toBeLessThanOrEqual(1);
  });

  it('settles every call of a socket over a stream that never takes a chunk', async () => {
    const sock = new LockedSocket(scripted(never));
    const sends = Array.from({ length: 20 }, () => sock.send(pattern(100 * kib)).catch((e: unknown) => e));
    await sock.close('bye', { timeout: 5 });
    expect((await sock.closed).code).toBe('K4NET_TIMEOUT');
    for (const result of await Promise.all(sends)) {
      expect(result === undefined || K4netError.is(result, 'K4NET_TIMEOUT')).toBe(true);
    }
  });
});

describe('WebStreamTransport: failures', () => {
  const moments = ['before attach', 'at attach', 'while it waits', 'while paused', 'after data', 'after end'];
  const thrown = [new Error('broken'), new K4netError('K4NET_TIMEOUT', 'not mine'), 'a text', undefined];

  it.each(moments.flatMap((moment) => ['source', 'target'].map((which) => [which, moment] as const)))(
    'closes once, with the error of the %s as the cause: %s',
    async (which, moment) => {
      for (const error of thrown) {
        const pair = scripted();
        const breakIt = (): void => {
          pair[which as 'source' | 'target'].error(error);
        };
        if (moment === 'before attach') breakIt();
        const transport = new WebStreamTransport(pair);
        const sink = new RecordingSink();
        if (moment === 'while paused') sink.onData = () => false;
        await turns();
        transport.attach(sink);
        if (moment !== 'at attach') await turns(2);
        if (moment === 'while paused' || moment === 'after data') {
          pair.source.enqueue(pattern(3));
          await sink.untilReceived(3);
        }
        if (moment === 'after end') {
          transport.write([pattern(3)]);
          transport.end();
          pair.source.enqueue(pattern(3));
          await sink.untilReceived(3);
        }
        if (moment === 'after end' && which === 'target') continue;
        breakIt();
        await sink.untilClose();
        await turns(3);
        expect(sink.closes).toBe(1);
        expect(sink.events.at(-1)).toBe('close');
        // An error of the library may belong to the other end: it is not passed on as the own one.
        expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
        expect(sink.cause).not.toBe(error);
        expect(sink.cause?.cause).toBe(error);
        expect(transport.write([pattern(3)])).toBe(true);
      }
    },
  );

  it('closes when a write fails, and cancels the readable', async () => {
    const pair = scripted(() => Promise.reject(new Error('disk full')));
    const { transport, sink } = attached(pair);
    transport.write([pattern(3)]);
    await sink.untilClose();
    expect(sink.cause?.message).toBe('the stream broke: disk full');
    expect(pair.reasons).toHaveLength(1);
  });

  it('gives a plain Error to the streams that it aborts, with nothing of its cause', async () => {
    const pair = scripted();
    const { transport, sink } = attached(pair);
    const cause = new K4netError('K4NET_TIMEOUT', 'a secret of this side');
    transport.abort(cause);
    await sink.untilClose();
    expect(sink.cause).toBe(cause);
    expect(pair.reasons).toHaveLength(2);
    for (const reason of pair.reasons) {
      expect(reason).toBeInstanceOf(Error);
      expect(K4netError.is(reason)).toBe(false);
      expect((reason as Error).message).toBe('the connection was cut');
    }
  });

  it('reports a cut to the other end of a pair in memory as its own kind of error', async () => {
    const { near, far } = webStreamPairs();
    const [one, two] = [new LockedSocket(near), new LockedSocket(far)];
    await one.close(undefined, { timeout: 0 });
    expect((await one.closed).code).toBe('K4NET_TIMEOUT');
    expect((await two.closed).code).toBe('K4NET_CONNECTION');
  });

  it('causes no unhandled rejection although abort and cancel fail', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const fail = (): never => {
        throw new Error('not now');
      };
      const transport = new WebStreamTransport({
        readable: new ReadableStream({ cancel: fail }),
        writable: new WritableStream({ abort: fail, close: fail }),
      });
      const sink = new RecordingSink();
      transport.attach(sink);
      transport.abort();
      await sink.untilClose();
      await turns(5);
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('fails when the writable does not close', async () => {
    const pair = {
      ...scripted(),
      writable: new WritableStream<Uint8Array>({ close: () => Promise.reject(new Error('cannot close')) }),
    };
    const { transport, sink } = attached(pair);
    transport.end();
    await sink.untilClose();
    expect(sink.cause?.message).toBe('the stream broke: cannot close');
  });
});

describe('WebStreamTransport: streams that transform', () => {
  it('carries messages through streams that cut the chunks of each direction anew', async () => {
    const through = () =>
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          for (let at = 0; at < chunk.length; at += 1000) controller.enqueue(chunk.subarray(at, at + 1000));
        },
      });
    const [there, back] = [through(), through()];
    const near = new LockedSocket({ readable: back.readable, writable: there.writable });
    const far = new LockedSocket({ readable: there.readable, writable: back.writable });
    void near.send(pattern(100 * kib));
    expect(same(await far.recv(), pattern(100 * kib))).toBe(true);
    await Promise.all([near.close(), far.close()]);
  });
});
