import type { BinaryReader } from '../binary/reader.js';
import type { K4netError } from '../errors.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import type { Bytes } from '../util/bytes.js';
import type { AbortSignalLike } from '../util/wait.js';
import type { StreamCodecs } from './call.js';
import type { Calls } from './calls.js';
import type { AnswerStream } from './call-types.js';
import type { OpenFields } from './stream-open.js';
import type { StreamTools } from './stream-tools.js';
import type { Callback } from './types.js';

/** The part of a socket that sends the messages of streams. */
export type StreamOutlet = Pick<OwnedSocket, 'congested' | 'room' | 'sendHeaded' | 'sendCopy'>;

/** The limits of the streams of a socket. */
export interface StreamLimits {
  readonly streamWindow: number;
  readonly maxStreams: number;
}

/** The events of the streams of a socket. */
export interface StreamEvents {
  /** The code was loaded. */
  onRoom(): void;
  /** The code cannot be loaded. */
  onFail(error: K4netError): void;
}

/** A streaming call of this side, as the program has asked for it. */
export interface StreamRequest {
  readonly name: string;
  /** Whether the answer may be items. */
  readonly items: boolean;
  readonly codecs: StreamCodecs;
  /** The sequence of items after the payload. */
  readonly body: unknown;
  /** Milliseconds until the first item, or without progress of a body. */
  readonly timeout: number;
  /** Milliseconds between two items. */
  readonly idleTimeout: number;
  readonly signal: AbortSignalLike | undefined;
}

/** Makes the streaming calls of a socket. */
export type CreateStreams = (
  outlet: StreamOutlet,
  limits: StreamLimits,
  calls: () => Calls,
  tools: StreamTools,
  events: StreamEvents,
) => StreamHost;

/** A streaming call of the peer. */
export interface AcceptedStream {
  /** False if this side has too many streams: the call fails with `K4NET_BUSY`. */
  readonly accepted: boolean;
  /** The items of the body, for the callback; undefined if there is no body. */
  readonly body: AsyncIterableIterator<BinaryReader, void> | undefined;
  /** A callback that sends the items of this one, and then settles with its answer. */
  wrap(callback: Callback): Callback;
  /** The caller has given up, or the socket ends. */
  abort(reason: unknown): void;
  /** The reply follows. */
  replied(): void;
}

/** The streaming calls of a socket. In a browser their code loads with the first one. */
export interface StreamHost {
  /** Whether the code is not loaded yet: until `onRoom` no message of a stream is taken. */
  readonly full: boolean;
  /** Streaming calls that have not ended, of both sides. */
  readonly open: number;
  readonly itemsSent: number;
  readonly itemsReceived: number;
  /** Loads the code, if it is not loaded. */
  load(): void;
  /** Makes a streaming call. */
  call(request: StreamRequest, payload: Bytes): AnswerStream<unknown, unknown>;
  /** Whether a streaming call of the peer has this id. */
  has(id: number): boolean;
  /** Takes a streaming call of the peer. It is not `accepted` if there are too many. */
  accept(id: number, fields: OpenFields): AcceptedStream;
  /** Takes a message of a stream that is not an open. Returns why it is malformed. */
  receive(type: number, id: number, content: Bytes): string | undefined;
  /** The peer has cancelled a call that has its reply: this ends a body that is still open. */
  cancelled(id: number): void;
  /** No further message can be sent or received. The calls of this side have ended. */
  end(): void;
}
