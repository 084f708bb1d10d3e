import type { Calls } from './calls.js';
import type { Dispatcher } from './dispatcher.js';
import type { ReceiveQueue } from './receive-queue.js';
import type { StreamHost } from './stream-host.js';

/** The destinations of messages. */
export interface Destinations {
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly queue: ReceiveQueue;
  readonly streams: StreamHost;
}
