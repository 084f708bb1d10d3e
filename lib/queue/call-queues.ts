import { CallbackQueues, type CallbackQueue, type TaskRunner } from './callback-queue.js';
import type { IncomingCall } from './incoming-call.js';
import type { CheckedCallbackOptions, CheckedQueueOptions } from './queue-socket-options.js';

/**
 * The callback queues of one socket: one for messages, one for requests, one for streaming calls,
 * and one for each callback with a concurrency of its own. The requests of an ordered callback are
 * in the queue of messages.
 */
export class CallQueues extends CallbackQueues<IncomingCall> {
  readonly messages: CallbackQueue<IncomingCall>;
  readonly requests: CallbackQueue<IncomingCall>;
  readonly streams: CallbackQueue<IncomingCall>;

  constructor(runner: TaskRunner<IncomingCall>, limits: CheckedQueueOptions) {
    super(runner);
    this.messages = this.add(limits.concurrency);
    this.requests = this.add(limits.requestConcurrency);
    this.streams = this.add(limits.maxStreams);
  }

  /** The queue of all calls of a callback; undefined if its requests share a queue of requests. */
  forCallback({ concurrency, ordered }: CheckedCallbackOptions): CallbackQueue<IncomingCall> | undefined {
    if (ordered) return this.messages;
    return concurrency === undefined ? undefined : this.add(concurrency);
  }

  of({ registration, isRequest, isStream }: IncomingCall): CallbackQueue<IncomingCall> {
    if (registration?.queue) return registration.queue;
    if (isStream) return this.streams;
    return isRequest ? this.requests : this.messages;
  }

  /**
   * Returns the promise that occupies the queue of a request. An ordered streaming call occupies it
   * only until its callback has started: its items can follow messages that have no room before the
   * queue continues.
   */
  occupy(request: IncomingCall, finished: Promise<void>): Promise<void> | undefined {
    if (!request.isOrdered || !request.isStream) return finished;
    this.streams.track(finished);
    return request.starting;
  }

  override retire(queue: CallbackQueue<IncomingCall>): void {
    if (queue !== this.messages) super.retire(queue);
  }
}
