import { closedError, K4netError } from '../errors.js';
import { builtin } from '../platform/runtime.js';
import type { Bytes } from '../util/bytes.js';
import type { MessageReadable, MessageWritable, StreamedSocket } from './stream-types.js';

/** Bytes that a writable holds in addition to the send queue of its socket. */
const highWaterMark = 16 * 1024;

/** The last writable of each socket. */
const writables = new WeakMap<StreamedSocket, MessageWritable>();

/**
 * The messages of a socket as a stream that prefetches none.
 *
 * @param onEnd - called when the messages have ended, if no writable of the socket is open.
 */
export function messageReadable(socket: StreamedSocket, onEnd: () => void): MessageReadable {
  const { Readable } = builtin('node:stream', 'readable()');
  const stop = new AbortController();
  const failed = (error: unknown): void => {
    if (!K4netError.is(error, 'K4NET_CLOSED')) {
      stream.destroy(error as Error);
      return;
    }
    stream.push(null);
    // Answers may follow the last message: the writable ends this side.
    if (writables.get(socket)?.destroyed ?? true) onEnd();
  };
  const push = (message: Bytes): void => {
    stream.push(message);
  };
  const stream = new Readable({
    objectMode: true,
    highWaterMark: 0,
    read() {
      try {
        const message = socket.tryRecv();
        if (message) push(message);
        else socket.recv({ signal: stop.signal }).then(push, failed);
      } catch (error) {
        failed(error);
      }
    },
    destroy(error, callback) {
      stop.abort();
      callback(error);
    },
  });
  return stream as unknown as MessageReadable;
}

/** A stream that sends each chunk as one message, and whose end ends this side of the socket. */
export function messageWritable(socket: StreamedSocket): MessageWritable {
  const { Writable } = builtin('node:stream', 'writable()');
  const stream = new Writable({
    highWaterMark,
    write(chunk: Bytes, _encoding, callback) {
      socket.send(chunk).then(() => {
        callback();
      }, callback);
    },
    final(callback) {
      socket.end().then(() => {
        callback();
      }, callback);
    },
  });
  const result = stream as unknown as MessageWritable;
  writables.set(socket, result);
  void socket.closed.then(({ error }) => {
    // After its end the stream gets the result from the calls above.
    if (!stream.writableEnded) stream.destroy(error ?? closedError('the socket is closed'));
  });
  return result;
}
