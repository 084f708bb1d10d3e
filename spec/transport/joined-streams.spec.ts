import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { duplexTransport } from '../../lib/transport/duplex.js';
import { toTransport } from '../../lib/transport/to-transport.js';
import { pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';

/** A transport over two streams that the test controls, and its sink. */
function scripted() {
  const readable = new Readable({ read: () => undefined });
  const written: Uint8Array[] = [];
  const writable = new Writable({
    write: (chunk: Uint8Array, _encoding, callback) => {
      written.push(chunk);
      callback();
    },
  });
  const transport = duplexTransport({ readable, writable });
  const sink = new RecordingSink();
  transport.attach(sink);
  return { readable, writable, written, transport, sink };
}

describe('two Node streams as one', () => {
  it('deliver what is unread when the writable closes, and the end, then fail', async () => {
    const { readable, writable, sink } = scripted();
    readable.push(pattern(10));
    readable.push(null);
    writable.destroy();
    await sink.untilClose();
    expect(sink.events).toEqual(['data', 'end', 'close']);
    expect(same(sink.bytes, pattern(10))).toBe(true);
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
  });

  it('fail when the readable closes before its end', async () => {
    const { readable, writable, sink } = scripted();
    readable.destroy();
    await sink.untilClose();
    expect(sink.events).toEqual(['close']);
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect(writable.destroyed).toBe(true);
  });

  it.each(['readable', 'writable'] as const)('fail with the error of the %s', async (which) => {
    const streams = scripted();
    const error = new Error('no more');
    streams[which].destroy(error);
    await streams.sink.untilClose();
    expect(streams.sink.cause).toMatchObject({ code: 'K4NET_CONNECTION', cause: error });
    expect([streams.readable.destroyed, streams.writable.destroyed]).toEqual([true, true]);
  });

  it.each(['readable', 'writable'] as const)('fail when the %s failed before', async (which) => {
    const readable = new Readable({ read: () => undefined });
    const writable = new Writable();
    const error = new Error('was broken');
    ({ readable, writable })[which].on('error', () => undefined).destroy(error);
    await turns();
    if (which === 'writable') readable.push(null);
    const sink = new RecordingSink();
    duplexTransport({ readable, writable }).attach(sink);
    await sink.untilClose();
    expect(sink.cause).toMatchObject({ code: 'K4NET_CONNECTION' });
    expect([readable.destroyed, writable.destroyed]).toEqual([true, true]);
  });

  it('end without a cause when both had ended before', async () => {
    const readable = new Readable({ read: () => undefined }).resume();
    readable.push(null);
    const writable = new Writable();
    writable.end();
    await turns(5);
    const sink = new RecordingSink();
    duplexTransport({ readable, writable }).attach(sink);
    await sink.untilClose();
    expect(sink.events).toEqual(['end', 'close']);
    expect(sink.cause).toBeUndefined();
  });

  it('close cleanly while the other end of a stream in memory has not read everything', async () => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const near = duplexTransport({ readable: back, writable: there });
    const far = duplexTransport({ readable: there, writable: back });
    const [nearSink, farSink] = [new RecordingSink(), new RecordingSink()];
    farSink.onData = () => false;
    near.attach(nearSink);
    far.attach(farSink);
    near.write([pattern(10)]);
    await farSink.untilReceived(10);
    near.write([pattern(10)]);
    near.end();
    far.end();
    await nearSink.untilClose();
    far.resume();
    await farSink.untilClose();
    expect(farSink.received).toBe(20);
    expect([nearSink.cause, farSink.cause]).toEqual([undefined, undefined]);
  });

  it('do not take an end that follows destroy() for the end of the peer', async () => {
    // Bun emits it; here the test does.
    const { readable, sink } = scripted();
    readable.destroy();
    readable.emit('end');
    await sink.untilClose();
    expect(sink.events).toEqual(['close']);
  });

  it('reject objects and text with a TypeError', () => {
    const writable = new Writable();
    const objects = new Readable({ objectMode: true, read: () => undefined });
    expect(() => toTransport({ readable: objects, writable })).toThrow(TypeError);
    const text = new Readable({ read: () => undefined }).setEncoding('utf8');
    expect(() => toTransport({ readable: text, writable })).toThrow(TypeError);
  });

  it('pass ref and unref on to both where they have them', () => {
    const calls: string[] = [];
    const controls = (name: string) => ({
      ref: () => calls.push(`${name} ref`),
      unref: () => calls.push(`${name} unref`),
    });
    const readable = Object.assign(new Readable({ read: () => undefined }), controls('readable'));
    const transport = duplexTransport({
      readable,
      writable: Object.assign(new Writable(), controls('writable')),
    });
    transport.unref();
    transport.ref();
    scripted().transport.unref();
    expect(calls).toEqual(['readable unref', 'writable unref', 'readable ref', 'writable ref']);
  });
});
