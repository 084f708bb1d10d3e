import type { BinaryReader } from '../binary/reader.js';
import type { CallOptions } from '../queue/call-types.js';
import { queueSocketTable, type QueueSocketOptions } from '../queue/queue-socket-options.js';
import {
  checkOptions,
  countRule,
  flagRule,
  millisecondsRule,
  optional,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import { signalRule, waitTable, type WaitOptions } from '../util/wait.js';
import type { EncryptedNatsDialingOptions, PlainNatsDialingOptions } from './nats-dialer.js';
import { answerTime } from './presence.js';

/** The options of `QueueSocket` that a service passes on to its sessions. */
export type SessionQueueOptions = Pick<
  QueueSocketOptions,
  | 'callTimeout'
  | 'maxQueuedBytes'
  | 'maxQueuedMessages'
  | 'streamWindow'
  | 'maxStreams'
  | 'debug'
  | 'logger'
  | 'onError'
>;

/** Limits of a {@link NatsService}, and options of `QueueSocket` for its sessions. */
export interface NatsServiceLimits extends SessionQueueOptions {
  /** Sessions that are open at a time for `call` and `stream`. Default 2. */
  readonly sessions?: number | undefined;
  /** Instances that `callAll`, `sendAll` and `instances` find at most. Default 256. */
  readonly maxInstances?: number | undefined;
  /** Calls that may wait for a session. A further one rejects with `K4NET_BUSY`. Default 16384. */
  readonly maxWaiting?: number | undefined;
}

/** Options of a {@link NatsService} without encryption. */
export interface PlainNatsServiceOptions extends Omit<PlainNatsDialingOptions, 'signal'>, NatsServiceLimits {}

/** Options of a {@link NatsService} with encryption. */
export interface EncryptedNatsServiceOptions
  extends Omit<EncryptedNatsDialingOptions, 'signal'>, NatsServiceLimits {}

/** Options of a {@link NatsService}: its limits, and those of `connectNats`. */
export type NatsServiceOptions = PlainNatsServiceOptions | EncryptedNatsServiceOptions;

/** Options of `call` of a {@link NatsService}. */
export interface ServiceCallOptions extends CallOptions {
  /**
   * Makes the call again, with another session, when its session breaks, until its timeout: the
   * callback may run more than once. It excludes a `body` that can be read only once, such as a
   * generator or a stream. Default false.
   */
  readonly repeatable?: boolean | undefined;
}

/** Options of `instances` of a {@link NatsService}. */
export interface InstancesOptions {
  /** Milliseconds to wait for the instances. Default 300. */
  readonly timeout?: number | undefined;
}

/** One answer of `callAll`: that of an instance, or the error in its place. */
export type InstanceAnswer<Answer = BinaryReader> =
  | {
      /** The id of the instance. */
      readonly instance: string;
      readonly answer: Answer;
      readonly error?: undefined;
    }
  | { readonly instance: string; readonly answer?: undefined; readonly error: Error };

/** One result of `sendAll`. */
export interface InstanceSent {
  /** The id of the instance. */
  readonly instance: string;
  /** Why the message could not be sent; undefined if it was sent. */
  readonly error: Error | undefined;
}

type UnsetQueue = 'logger' | 'onError';

/** The options of the queues of the sessions. */
export const sessionQueueTable: OptionTable<SessionQueueOptions, UnsetQueue> = {
  callTimeout: queueSocketTable.callTimeout,
  maxQueuedBytes: queueSocketTable.maxQueuedBytes,
  maxQueuedMessages: queueSocketTable.maxQueuedMessages,
  streamWindow: queueSocketTable.streamWindow,
  maxStreams: queueSocketTable.maxStreams,
  debug: queueSocketTable.debug,
  logger: queueSocketTable.logger,
  onError: queueSocketTable.onError,
};

/** The own options of a service. */
export const serviceTable: OptionTable<NatsServiceLimits, UnsetQueue> = {
  ...sessionQueueTable,
  sessions: countRule(2, 1, 256),
  maxInstances: countRule(256, 1, 1024),
  maxWaiting: countRule(16_384, 0, Number.MAX_SAFE_INTEGER),
};

const callTable: OptionTable<ServiceCallOptions, keyof CallOptions> = {
  timeout: optional(millisecondsRule()),
  signal: signalRule,
  body: uncheckedRule(),
  repeatable: flagRule(false),
};

const callAllTable: OptionTable<WaitOptions, keyof WaitOptions> = {
  timeout: optional(millisecondsRule()),
  signal: signalRule,
};

const instancesTable: OptionTable<InstancesOptions> = { timeout: millisecondsRule(answerTime) };

/** Checks the options of a call. */
export function checkedServiceCall(
  options: ServiceCallOptions | undefined,
): Checked<ServiceCallOptions, keyof CallOptions> {
  return checkOptions('call', options, callTable);
}

/** Checks the options of `callAll`. */
export function checkedCallAll(options: WaitOptions | undefined): Checked<WaitOptions, keyof WaitOptions> {
  return checkOptions('callAll', options, callAllTable);
}

/** Checks the options of `sendAll`. */
export function checkedSendAll(options: WaitOptions | undefined): Checked<WaitOptions, 'signal'> {
  return checkOptions('sendAll', options, waitTable);
}

/** Checks the options of `instances`. */
export function checkedInstances(options: InstancesOptions | undefined): Checked<InstancesOptions> {
  return checkOptions('instances', options, instancesTable);
}
