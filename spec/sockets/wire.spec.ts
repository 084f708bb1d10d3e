import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { K4netError, TooLargeError } from '../../lib/errors.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Sink, Transport } from '../../lib/transport/transport.js';
import { frame, frames, header, unframe } from '../support/frames.js';
import { pattern, same, sameAll } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import {
  arrived,
  failure,
  failureOf,
  reasonOf,
  receiveAll,
  textOf,
  until,
  watch,
} from '../support/sockets.js';

/** A socket, and a raw stream at its other end. */
function rawPeer(options?: LockedSocketOptions): { sock: LockedSocket; raw: Transport; sink: RecordingSink } {
  const [raw, mine] = memoryPair();
  const sink = new RecordingSink();
  raw.attach(sink);
  return { sock: new LockedSocket(mine, options), raw, sink };
}

describe('LockedSocket on the wire', () => {
  it('writes a length prefix (unsigned, 32 bits, little-endian) and the bytes', async () => {
    const { sock, sink } = rawPeer();
    for (const message of ['', 'abc', pattern(300), pattern(20_000), pattern(70_000)])
      await sock.send(message);
    await sock.end();
    await sink.untilEnd();
    expect(same(sink.bytes, frames(['', 'abc', pattern(300), pattern(20_000), pattern(70_000)]))).toBe(true);
  });

  it('reads the bytes of the Python library, one at a time and all at once', async () => {
    const file = readFileSync(new URL('../vectors/seed-wire.json', import.meta.url), 'utf8');
    const { frames: vectors } = JSON.parse(file) as { frames: { message: string; bytes: string }[] };
    expect(vectors.length).toBeGreaterThan(0);
    for (const { message, bytes: wire } of vectors) {
      const { sock, raw } = rawPeer();
      const bytes = Uint8Array.from(Buffer.from(wire, 'hex'));
      raw.write([bytes]);
      for (const byte of bytes) raw.write([new Uint8Array([byte])]);
      expect(Buffer.from(await sock.recv()).toString('hex')).toBe(message);
      expect(Buffer.from(await sock.recv()).toString('hex')).toBe(message);
    }
  });

  it('writes the messages of one tick at once, and those of a busy tick in two writes', async () => {
    const writes: number[] = [];
    const [raw, mine] = memoryPair();
    const sink = new RecordingSink();
    raw.attach(sink);
    const counting: Transport = {
      remoteAddress: '',
      localAddress: '',
      attach: (each: Sink) => {
        mine.attach(each);
      },
      resume: () => {
        mine.resume();
      },
      write: (parts, done) => {
        writes.push(parts.reduce((sum, part) => sum + part.length, 0));
        return mine.write(parts, done);
      },
      end: () => {
        mine.end();
      },
      abort: (cause) => {
        mine.abort(cause);
      },
      ref: () => undefined,
      unref: () => undefined,
    };
    const sock = new LockedSocket(counting);
    const sendTick = async (count: number): Promise<number[]> => {
      for (let i = 0; i < count; i += 1) void sock.send(pattern(50, i));
      await sock.flush();
      return writes.splice(0);
    };
    const sendLoop = async (count: number): Promise<number[]> => {
      for (let i = 0; i < count; i += 1) await sock.send(pattern(50, i));
      await sock.flush();
      return writes.splice(0);
    };
    expect(await sendTick(37)).toEqual([37 * 54]);
    expect(await sendLoop(37)).toEqual([37 * 54]);
    // A tick over 2 KiB is written in two parts, so that the peer can begin with the first half.
    expect(await sendTick(100)).toEqual([38 * 54, 62 * 54]);
    expect(await sendLoop(100)).toEqual([50 * 54, 50 * 54]);
    await sink.untilReceived(274 * 54);
    expect(unframe(sink.chunks)).toHaveLength(274);
  });
});

describe('LockedSocket: a message that has arrived in part', () => {
  it('goes to a later recv when the first one times out', async () => {
    const { sock, raw } = rawPeer();
    const bytes = frame(pattern(5000));
    for (const at of [2, 4, 3000]) {
      raw.write([bytes.subarray(sock.stats().bytesReceived, at)]);
      await arrived(sock, at);
      await failure(sock.recv({ timeout: 1 }), 'K4NET_TIMEOUT');
      await failure(sock.recv({ timeout: 0 }), 'K4NET_TIMEOUT');
      expect(sock.tryRecv()).toBeUndefined();
    }
    const waiting = sock.recv({ timeout: 20_000 });
    raw.write([bytes.subarray(3000)]);
    expect(same(await waiting, pattern(5000))).toBe(true);
  });

  it('rejects a recv with a smaller maxSize as soon as its length prefix has arrived, and stays', async () => {
    const { sock, raw } = rawPeer();
    const bytes = frame(pattern(5000));
    const early = watch(sock.recv({ maxSize: 4999 }));
    raw.write([bytes.subarray(0, 3)]);
    await arrived(sock, 3);
    await turns(3);
    expect(early.state).toBe('pending');
    raw.write([bytes.subarray(3, 10)]);
    await until(() => early.state === 'rejected');
    expect(early.reason).toMatchObject({ code: 'K4NET_TOO_LARGE', size: 5000, limit: 4999 });
    const late = await failureOf(sock.recv(100), TooLargeError);
    expect(late.size).toBe(5000);
    expect(sock.readyState).toBe('open');
    raw.write([bytes.subarray(10)]);
    expect(same(await sock.recv(5000), pattern(5000))).toBe(true);
  });

  it('rejects the next recv with a smaller maxSize when the first one times out', async () => {
    const { sock, raw } = rawPeer();
    const controller = new AbortController();
    const first = reasonOf(sock.recv({ signal: controller.signal }));
    const second = reasonOf(sock.recv({ maxSize: 10 }));
    const third = sock.recv();
    raw.write([header(11), new Uint8Array(5)]);
    await arrived(sock, 9);
    controller.abort('gone');
    expect(await first).toBe('gone');
    expect(await second).toBeInstanceOf(TooLargeError);
    raw.write([new Uint8Array(6)]);
    expect((await third).length).toBe(11);
  });

  it('is K4NET_TRUNCATED at the end of the peer, after every whole message', async () => {
    for (const rest of [header(5).subarray(0, 1), header(5), frame('abc').subarray(0, 6)]) {
      const { sock, raw, sink } = rawPeer();
      raw.write([frames(['one', 'two']), rest]);
      raw.end();
      const info = await sock.closed;
      expect(info.code).toBe('K4NET_TRUNCATED');
      expect([await sock.recvText(), await sock.recvText()]).toEqual(['one', 'two']);
      expect(await failure(sock.recv(), 'K4NET_TRUNCATED')).toBe(info.error);
      expect(await reasonOf(sock.send('x'))).toBe(info.error);
      await sink.untilClose();
      expect(K4netError.is(sink.cause)).toBe(true);
    }
  });

  it('ends a loop with K4NET_TRUNCATED at the end of the peer', async () => {
    const { sock, raw } = rawPeer();
    raw.write([frame('whole'), header(3)]);
    raw.end();
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const text of sock.texts()) seen.push(text);
    };
    await failure(loop(), 'K4NET_TRUNCATED');
    expect(seen).toEqual(['whole']);
  });

  it('is K4NET_CONNECTION after a reset, behind every whole message', async () => {
    const { sock, raw } = rawPeer();
    raw.write([frames(['one']), header(3)]);
    await arrived(sock, 11);
    raw.abort();
    expect((await sock.closed).code).toBe('K4NET_CONNECTION');
    expect(await sock.recvText()).toBe('one');
    await failure(sock.recv(), 'K4NET_CONNECTION');
  });

  it('is no error for a socket that closes, because the program does not want it', async () => {
    const { sock, raw } = rawPeer();
    raw.write([header(3)]);
    await arrived(sock, 4);
    const closing = sock.close();
    raw.end();
    await closing;
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
  });
});

describe('LockedSocket: a length prefix over maxSize', () => {
  it('fails the connection after every whole message and before the body', async () => {
    const { sock, raw, sink } = rawPeer({ maxSize: 1000 });
    const waiting = [sock.recv(), sock.recv(), sock.recv()];
    raw.write([frames(['one']), header(1001)]);
    expect(textOf(await waiting[0])).toBe('one');
    const error = await failureOf(waiting[1]!, TooLargeError);
    expect([error.size, error.limit]).toEqual([1001, 1000]);
    expect(await reasonOf(waiting[2]!)).toBe(error);
    expect(await sock.closed).toEqual({ code: 'K4NET_TOO_LARGE', error });
    await sink.untilClose();
  });

  it('has a default limit of 16 MiB inclusive', async () => {
    const { sock, raw } = rawPeer();
    raw.write([header(16 * 1024 * 1024)]);
    await arrived(sock, 4);
    await turns(3);
    expect(sock.readyState).toBe('open');
    const other = rawPeer();
    other.raw.write([header(16 * 1024 * 1024 + 1)]);
    expect((await other.sock.closed).code).toBe('K4NET_TOO_LARGE');
  });
});

describe('LockedSocket: memory when nobody reads', () => {
  it('counts an overhead for each chunk, so that many tiny chunks are bounded too', async () => {
    const { sock, raw, sink } = rawPeer({ recvSize: 10_000 });
    // One empty message in each chunk: four bytes on the wire, but more in memory.
    let writing = true;
    for (let i = 0; i < 100_000 && writing; i += 1) writing = raw.write([frame('')]);
    await turns(20);
    expect(writing).toBe(false);
    const held = sock.stats().bytesReceived / 4;
    expect(held).toBeGreaterThan(10);
    expect(held).toBeLessThanOrEqual(10_000 / 128);
    let taken = 0;
    while (sock.tryRecv()) taken += 1;
    expect(taken).toBe(held);
    await sink.until(() => sink.drains > 0);
  });

  it('resumes reading when messages were taken', async () => {
    const { sock, raw } = rawPeer({ recvSize: 1 });
    const sent = Array.from({ length: 40 }, (_, i) => pattern(1000 + i, i));
    for (const message of sent) raw.write([frame(message)]);
    raw.end();
    expect(sameAll(await receiveAll(sock), sent)).toBe(true);
  });

  it('drops every held message at close', async () => {
    const { sock, raw, sink } = rawPeer();
    for (let i = 0; i < 10; i += 1) raw.write([frame('x')]);
    await arrived(sock, 50);
    const closing = sock.close('bye');
    await failure(sock.recv(), 'K4NET_CLOSED');
    raw.end();
    await closing;
    expect(unframe(sink.chunks).map(textOf)).toEqual(['bye']);
  });
});

describe('new LockedSocket', () => {
  it('rejects anything that is no carrier', () => {
    for (const wrong of [null, undefined, 5, 'stream', {}, []]) {
      expect(() => new LockedSocket(wrong as never)).toThrow(
        /needs a stream, a pair of streams, a WebSocket, a message port or a transport/,
      );
    }
  });

  it('rejects an unknown option by name', () => {
    expect(() => new LockedSocket(memoryPair()[0], { recv_size: 5 } as never)).toThrow(/'recv_size'/);
    expect(() => new LockedSocket(memoryPair()[0], null as never)).toThrow(TypeError);
    expect(() => new LockedSocket(memoryPair()[0], 5 as never)).toThrow(TypeError);
  });

  it('rejects values of a wrong type or out of range with the value', () => {
    const make = (options: object) => () => new LockedSocket(memoryPair()[0], options);
    for (const name of ['recvSize', 'maxSize', 'highWaterMark']) {
      expect(make({ [name]: '5' })).toThrow(TypeError);
      expect(make({ [name]: '5' })).toThrow(name);
      expect(make({ [name]: null })).toThrow(TypeError);
      for (const value of [-1, 1.5, NaN, Infinity]) {
        expect(make({ [name]: value })).toThrow(RangeError);
        expect(make({ [name]: value })).toThrow(String(value));
      }
    }
    expect(make({ recvSize: 0 })).toThrow(RangeError);
    expect(make({ highWaterMark: 0 })).toThrow(RangeError);
    expect(make({ maxSize: 2 ** 32 })).toThrow(RangeError);
    expect(make({ allowHalfOpen: 1 })).toThrow(TypeError);
    expect(
      make({ maxSize: 2 ** 32 - 1, recvSize: 1, highWaterMark: 1, allowHalfOpen: undefined })(),
    ).toBeInstanceOf(LockedSocket);
  });
});
