import type { SocketStats } from '../sockets/message-socket.js';

/** The fill level of a queue. */
export interface QueueDepth {
  readonly messages: number;
  /**
   * Each message counts its size plus 64 bytes, each request its name and payload plus 512 bytes.
   */
  readonly bytes: number;
}

/** Counters of a queue socket. */
export interface QueueSocketStats extends SocketStats {
  /** Bytes that wait to be sent. */
  readonly sendQueue: number;
  /** Messages that wait for `recv`. */
  readonly receiveQueue: QueueDepth;
  /** Messages that wait for their callbacks. */
  readonly callbackQueue: QueueDepth;
  /** Requests of the peer that have no answer yet. */
  readonly requestQueue: QueueDepth;
  /** Callbacks that have started, for messages and for requests. */
  readonly callbacksRun: number;
  /** Callbacks that threw or rejected, without the `CallError` of a request. */
  readonly callbacksFailed: number;
  /** Calls of this side that have no answer yet. */
  readonly callsInFlight: number;
  /** Requests of the peer that have no answer yet. */
  readonly requestsInFlight: number;
  /** Streaming calls of both sides that have not ended. */
  readonly streams: number;
  /** Items that were sent, of bodies and of answers. */
  readonly itemsSent: number;
  /** Items that have arrived. */
  readonly itemsReceived: number;
  /**
   * Milliseconds from a request to its answer, including its callback: a moving mean in which the
   * newest call weighs an eighth. Undefined before the first answer.
   */
  readonly roundTripTime: number | undefined;
}

/** The parts of a queue socket that count. */
export interface Counted {
  readonly queue: { readonly window: QueueDepth };
  readonly dispatcher: {
    readonly messages: QueueDepth;
    readonly windows: { readonly total: QueueDepth };
    readonly runner: { readonly started: number; readonly failed: number; readonly unanswered: number };
  };
  readonly calls: { readonly pending: number; readonly roundTrip: number | undefined };
  readonly streams: { readonly open: number; readonly itemsSent: number; readonly itemsReceived: number };
}

/** The counters of a queue socket. */
export function queueStats(socket: SocketStats, sendQueue: number, counted: Counted): QueueSocketStats {
  const { queue, dispatcher, calls, streams } = counted;
  const depth = ({ messages, bytes }: QueueDepth): QueueDepth => ({ messages, bytes });
  return {
    ...socket,
    sendQueue,
    receiveQueue: depth(queue.window),
    callbackQueue: depth(dispatcher.messages),
    requestQueue: depth(dispatcher.windows.total),
    callbacksRun: dispatcher.runner.started,
    callbacksFailed: dispatcher.runner.failed,
    callsInFlight: calls.pending,
    requestsInFlight: dispatcher.runner.unanswered,
    streams: streams.open,
    itemsSent: streams.itemsSent,
    itemsReceived: streams.itemsReceived,
    roundTripTime: calls.roundTrip,
  };
}
