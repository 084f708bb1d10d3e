import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { isDuplex } from '../../lib/transport/duplex-like.js';
import { DuplexTransport } from '../../lib/transport/duplex.js';
import { pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { tcpPair, type StreamPair } from '../support/streams.js';
import { until } from '../support/sockets.js';

let pair: StreamPair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
});

/** A stream whose readable side the test controls. */
function scripted(options: { emitClose?: boolean; autoDestroy?: boolean } = {}): Duplex {
  return new Duplex({
    ...options,
    read: () => undefined,
    write: (_chunk, _encoding, callback) => {
      callback();
    },
  });
}

describe('DuplexTransport: a stream that was used before', () => {
  it('ends and closes the sink of a stream whose both directions have ended, without a cause', async () => {
    const stream = scripted();
    stream.push(null);
    stream.end();
    stream.resume();
    await once(stream, 'close');
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    await sink.untilClose();
    expect(sink.events).toEqual(['end', 'close']);
    expect(sink.cause).toBeUndefined();
  });

  it('closes without a cause when this direction has ended before', async () => {
    pair = await tcpPair();
    pair.near.end(pattern(10));
    await once(pair.near, 'finish');
    const sink = new RecordingSink();
    new DuplexTransport(pair.near).attach(sink);
    pair.far.resume();
    pair.far.end();
    await sink.untilClose();
    expect(sink.events).toEqual(['end', 'close']);
    expect(sink.cause).toBeUndefined();
  });

  it('reports the end of a stream whose reading side has ended before, and still writes', async () => {
    const tcp = await tcpPair();
    pair = tcp;
    tcp.near.allowHalfOpen = true;
    pair.far.end();
    pair.near.resume();
    await once(pair.near, 'end');
    const sink = new RecordingSink();
    const transport = new DuplexTransport(pair.near);
    transport.attach(sink);
    await sink.untilEnd();
    const received = once(pair.far, 'data');
    transport.write([pattern(10)]);
    expect(same(((await received) as [Buffer])[0], pattern(10))).toBe(true);
    transport.end();
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
  });

  it('closes the sink of a destroyed stream with its error as the cause', async () => {
    const stream = scripted();
    const error = new Error('was broken before');
    stream.destroy(error);
    await expect(once(stream, 'close')).rejects.toBe(error);
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    expect(sink.events).toEqual([]);
    await sink.untilClose();
    expect(K4netError.is(sink.cause, 'K4NET_CONNECTION')).toBe(true);
    expect(sink.cause?.cause).toBe(error);
    expect(sink.events).toEqual(['close']);
  });

  it('closes the sink of a stream that was destroyed without an error', async () => {
    const stream = scripted();
    stream.destroy();
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    await sink.untilClose();
    expect(K4netError.is(sink.cause, 'K4NET_CONNECTION')).toBe(true);
  });

  it('delivers bytes that the stream has read before', async () => {
    pair = await tcpPair();
    pair.far.write(pattern(1000));
    await once(pair.near, 'readable');
    const sink = new RecordingSink();
    new DuplexTransport(pair.near).attach(sink);
    await sink.untilReceived(1000);
    expect(same(sink.bytes, pattern(1000))).toBe(true);
  });
});

describe('DuplexTransport: a stream that fails', () => {
  it('closes once, with the error of the stream as the cause', async () => {
    const stream = scripted();
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    stream.push(pattern(10));
    await sink.untilReceived(10);
    const error = Object.assign(new Error('no such thing'), { code: 'EPIPE' });
    stream.destroy(error);
    await sink.untilClose();
    await turns(5);
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION', cause: error });
    expect(sink.cause?.message).toContain('EPIPE');
    expect(sink.events).toEqual(['data', 'close']);
  });

  it('closes although the stream never emits close', async () => {
    const stream = scripted({ emitClose: false });
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    stream.destroy(new Error('gone'));
    await sink.untilClose();
    expect(sink.cause?.message).toContain('gone');
  });

  it('closes although the stream neither destroys itself nor emits close', async () => {
    const stream = scripted({ emitClose: false, autoDestroy: false });
    const sink = new RecordingSink();
    const transport = new DuplexTransport(stream);
    transport.attach(sink);
    stream.push(null);
    await sink.untilEnd();
    transport.end();
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
    expect(stream.destroyed).toBe(true);
  });

  it('destroys a stream that an error leaves open, and closes', async () => {
    const stream = scripted({ emitClose: false, autoDestroy: false });
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    stream.emit('error', new Error('an error of old style'));
    await sink.untilClose();
    expect(sink.cause?.message).toContain('old style');
    expect(stream.destroyed).toBe(true);
  });

  it('reports K4NET_CONNECTION when other code destroys the stream', async () => {
    pair = await tcpPair();
    const sink = new RecordingSink();
    new DuplexTransport(pair.near).attach(sink);
    pair.near.destroy();
    await sink.untilClose();
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect(sink.events).toEqual(['close']);
  });

  it('does not take an end that follows destroy() for the end of the peer', async () => {
    // Bun emits it; here the test does.
    const stream = scripted();
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    await turns(2);
    stream.destroy();
    stream.emit('end');
    await sink.untilClose();
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect(sink.events).toEqual(['close']);
  });

  it('carries the system error of a reset', async () => {
    const tcp = await tcpPair();
    pair = tcp;
    const sink = new RecordingSink();
    new DuplexTransport(tcp.near).attach(sink);
    tcp.far.resetAndDestroy();
    await sink.untilClose();
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION', cause: { code: 'ECONNRESET' } });
  });
});

describe('DuplexTransport: accepted streams', () => {
  it('rejects streams of objects and of text', () => {
    expect(() => new DuplexTransport(new PassThrough({ objectMode: true }))).toThrow(TypeError);
    const text = scripted();
    text.setEncoding('utf8');
    expect(() => new DuplexTransport(text)).toThrow(TypeError);
  });

  it('fails when a stream becomes a stream of text later', async () => {
    const stream = scripted();
    const sink = new RecordingSink();
    new DuplexTransport(stream).attach(sink);
    stream.setEncoding('utf8');
    stream.push(Buffer.from('hello'));
    await sink.untilClose();
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect(sink.cause?.message).toContain('string');
    expect(sink.received).toBe(0);
  });

  it('recognizes a duplex stream by its shape', async () => {
    pair = await tcpPair();
    expect(isDuplex(pair.near)).toBe(true);
    expect(isDuplex(new PassThrough())).toBe(true);
    for (const other of [null, undefined, 1, 'x', {}, [], { on: 1, write: 2, cork: 3 }]) {
      expect(isDuplex(other)).toBe(false);
    }
  });

  it('reports the addresses of both ends, or empty strings', async () => {
    const tcp = await tcpPair();
    pair = tcp;
    const near = new DuplexTransport(tcp.near);
    const far = new DuplexTransport(tcp.far);
    expect(near.remoteAddress).toBe(`127.0.0.1:${tcp.near.remotePort ?? 0}`);
    expect(near.remoteAddress).toBe(far.localAddress);
    expect(near.localAddress).toBe(far.remoteAddress);
    const plain = new DuplexTransport(scripted());
    expect([plain.localAddress, plain.remoteAddress]).toEqual(['', '']);
  });

  it("disables Nagle's algorithm and stays open when its peer ends (half-close)", async () => {
    const tcp = await tcpPair();
    pair = tcp;
    tcp.near.allowHalfOpen = false;
    const sink = new RecordingSink();
    const transport = new DuplexTransport(tcp.near);
    transport.attach(sink);
    tcp.far.end();
    await sink.untilEnd();
    await turns(5);
    expect(tcp.near.writable).toBe(true);
    transport.end();
    tcp.far.resume();
    await sink.untilClose();
  });

  it('writes nothing for no parts', async () => {
    const stream = scripted();
    const transport = new DuplexTransport(stream);
    expect(transport.write([])).toBe(true);
    await turns();
    expect(stream.writableLength).toBe(0);
  });
});

describe('DuplexTransport: streams that deliver inside a write', () => {
  /** An end of a pair that delivers a write to its reader before the write returns. */
  class Side extends Duplex {
    other: Side = this;
    #taken: (() => void) | undefined;

    override _read(): void {
      const taken = this.#taken;
      this.#taken = undefined;
      taken?.();
    }

    override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
      this.other.#taken = callback;
      this.other.push(chunk);
    }
  }

  it('delivers in a later turn, in order', async () => {
    const [near, far] = [new Side(), new Side()];
    [near.other, far.other] = [far, near];
    const [one, two] = [new DuplexTransport(near), new DuplexTransport(far)];
    const [left, right] = [new RecordingSink(), new RecordingSink()];
    one.attach(left);
    two.attach(right);
    await turns(2);
    for (let i = 0; i < 20; i += 1) {
      const before = right.events.length;
      one.write([new Uint8Array([i]), new Uint8Array([i])]);
      expect(right.events.length).toBe(before);
      if (i % 3 === 0) await turns(2);
    }
    await turns(20);
    expect([...right.bytes]).toEqual(Array.from({ length: 40 }, (_, i) => i >> 1));
    near.destroy();
    far.destroy();
  });

  it('carries messages whole although callbacks send during a send', async () => {
    const [near, far] = [new Side(), new Side()];
    [near.other, far.other] = [far, near];
    const [one, two] = [new QueueSocket(new LockedSocket(near)), new QueueSocket(new LockedSocket(far))];
    const [asked, answered]: number[][] = [[], []];
    two.registerCallback('ask', (reader) => {
      const number = reader.readInt();
      asked?.push(number);
      void two.sendRegistered('an answer with a longer name', (writer) => {
        writer.writeInt(number);
      });
    });
    one.registerCallback('an answer with a longer name', (reader) => void answered?.push(reader.readInt()));
    one.start();
    two.start();
    await turns(2);
    const numbers = Array.from({ length: 2000 }, (_, i) => i);
    for (const number of numbers) {
      void one.sendRegistered('ask', (writer) => {
        writer.writeInt(number);
        writer.write(new Uint8Array(900));
      });
      if (number % 400 === 0) await turns(5);
    }
    await until(() => answered?.length === numbers.length);
    expect(asked).toEqual(numbers);
    expect(answered).toEqual(numbers);
    await Promise.all([one.close(undefined, { timeout: 0 }), two.close(undefined, { timeout: 0 })]);
  });
});
