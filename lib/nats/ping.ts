import { K4netError } from '../errors.js';
import { noBytes, type Bytes } from '../util/bytes.js';
import { Deferred, startTimer } from '../util/wait.js';
import type { Hub } from './hub.js';
import type { NatsMessageLike } from './nats-connection.js';
import { notNow, unlessAborted, withinTime } from './opening.js';
import { isName, longestName, randomToken } from './subjects.js';

/** Bytes of one answer. An instance of k4net has at most 16384 characters of metadata. */
const longestAnswer = 64 * 1024;
/** Bytes of all answers to one question. */
const longestAnswers = 4 * 1024 * 1024;
/** Answers that count for nothing, such as wrong ones, for each instance that may be found. */
const answersPerInstance = 4;

/** The description that an instance of a service gives of itself. Nothing proves it. */
export interface ServiceInstance {
  /** The id, with which `connectNats` reaches it. */
  readonly id: string;
  /** Its version. */
  readonly version: string;
  /** Its metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A question to the instances of a service, and how long and how much this side listens. */
export interface Question {
  /** Milliseconds. */
  readonly timeout: number;
  /** Instances. Further answers are dropped. */
  readonly limit: number;
  /** Whether an instance counts for the limit. Default: each does. */
  readonly counts?: ((instance: ServiceInstance) => boolean) | undefined;
  /** The id of the only instance that is asked. */
  readonly instance?: string | undefined;
  /** Whether an answer ends the question. */
  readonly enough?: ((instance: ServiceInstance) => boolean) | undefined;
}

/**
 * Asks the instances of a service who is there: PING of ADR-32. Resolves with those that answered
 * in time, at once if NATS says that nobody listens. Rejects with `K4NET_CONNECT` if NATS is away
 * or does not permit it.
 *
 * Everybody who may use NATS can answer. So the number of answers, their bytes and the time are
 * bounded, and everything else in them is dropped.
 */
export async function ping(hub: Hub, name: string, question: Question): Promise<ServiceInstance[]> {
  const { timeout, limit, counts, instance, enough } = question;
  // NATS may be dead without the knowledge of its client.
  const late = (): K4netError => notNow(name, `NATS did not answer within ${timeout} ms`);
  await withinTime(timeout, late, (signal) => unlessAborted(hub.ready(name), signal));
  const subject = `$SRV.PING.${name}${instance === undefined ? '' : `.${instance}`}`;
  const reply = `${hub.settings.inboxPrefix}.${randomToken()}.${randomToken()}`;
  const found = new Map<string, ServiceInstance>();
  const over = new Deferred<void>();
  let counted = 0;
  let messages = 0;
  let bytes = 0;
  let isOver = false;
  const onMessage = ({ data, headers }: NatsMessageLike): void => {
    // One piece of input of NATS may contain many more answers.
    if (isOver) return;
    messages += 1;
    bytes += data.length;
    const nobody = data.length === 0 && headers?.code === 503;
    const answer = bytes <= longestAnswers ? instanceIn(data, name) : undefined;
    const wanted = answer && (instance === undefined || answer.id === instance);
    if (wanted && !found.has(answer.id)) {
      found.set(answer.id, answer);
      if (counts?.(answer) !== false) counted += 1;
    }
    const full = counted >= limit || bytes > longestAnswers || messages >= answersPerInstance * limit;
    isOver = nobody || full || (wanted === true && enough?.(answer) === true);
    if (isOver) over.resolve();
  };
  const fail = (error: Error): void => {
    over.reject(error);
  };
  let subscription;
  try {
    subscription = hub.subscribe(reply, undefined, onMessage, (cause) => {
      fail(notNow(subject, cause.message, cause));
    });
  } catch (cause) {
    // A connection that drains takes no subscription.
    throw notNow(subject, 'the client of NATS refused a subscription', cause);
  }
  const timer = startTimer(() => {
    if (hub.isAway) fail(notNow(subject, 'there is no connection to NATS now'));
    over.resolve();
  }, timeout);
  const endings = [
    hub.onClosed.on(() => {
      fail(new K4netError('K4NET_CONNECT', `no answer from ${subject}: the connection to NATS has closed`));
    }),
    hub.onViolation.on((refused, error) => {
      if (refused === subject) fail(error);
    }),
  ];
  try {
    hub.publish(subject, noBytes, reply);
    await over.promise;
  } finally {
    timer.stop();
    subscription.unsubscribe();
    for (const end of endings) end();
  }
  return [...found.values()];
}

/** The instance that an answer describes; undefined for any other bytes. */
export function instanceIn(data: Bytes, service: string): ServiceInstance | undefined {
  if (data.length > longestAnswer) return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { name, id, version, metadata } = answer as Readonly<Record<string, unknown>>;
  if (name !== service || !isName(id) || typeof version !== 'string' || version.length > longestName) {
    return undefined;
  }
  const given = typeof metadata === 'object' && metadata !== null ? Object.entries(metadata) : [];
  const strings = given.filter((each): each is [string, string] => typeof each[1] === 'string');
  return { id, version, metadata: Object.fromEntries(strings) };
}
