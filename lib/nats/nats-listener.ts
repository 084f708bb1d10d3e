import { K4netError } from '../errors.js';
import { incoming } from '../net/incoming.js';
import type { Listener, ListenerHandlers } from '../net/listener.js';
import { causeOf, debug } from '../util/debug.js';
import { Discovery, type Instance } from './discovery.js';
import { bareFrame, kinds, parseFrame, refusals, version, type Frame } from './frame.js';
import type { Hub, HubSubscription } from './hub.js';
import type { NatsMessageLike } from './nats-connection.js';
import { NatsTransport } from './nats-transport.js';
import { notNow, unlessAborted, withinTime } from './opening.js';
import { instanceSubject, isEnd, queueGroup, randomToken, serviceSubject } from './subjects.js';

/** Milliseconds in which NATS has to answer to the subscriptions of an instance. */
const listenTime = 10_000;

/** Takes the sessions of one instance of a service. */
export class NatsListener implements Listener {
  /** `connect` takes no name of a service. */
  readonly url = undefined;
  readonly #hub: Hub;
  readonly #instance: Instance;
  readonly #maxSessions: number;
  readonly #discovery: Discovery;
  #handlers: ListenerHandlers | undefined;
  #own: HubSubscription | undefined;
  /** The subscription as a member of the queue group; undefined while this instance is full. */
  #group: HubSubscription | undefined;
  /** NATS has ended a subscription. Only a new connection to NATS changes that. */
  #isBanned = false;
  #endings: (() => void)[] = [];
  #refusal: Error | undefined;
  /** `open` has succeeded. */
  #isUp = false;
  #isOpen = false;
  #sessions = 0;
  #requests = 0;
  #refused = 0;
  #lastError = '';

  constructor(hub: Hub, instance: Instance, maxSessions: number) {
    this.#hub = hub;
    this.#instance = instance;
    this.#maxSessions = maxSessions;
    this.#discovery = new Discovery(instance, () => ({
      requests: this.#requests,
      refused: this.#refused,
      lastError: this.#lastError,
      sessions: this.#sessions,
    }));
  }

  async open(handlers: ListenerHandlers): Promise<void> {
    const { name } = this.#instance;
    const what = `cannot listen as ${name} over NATS`;
    this.#handlers = handlers;
    const hub = this.#hub;
    const late = (): K4netError => notNow(name, `NATS did not answer within ${listenTime} ms`);
    try {
      await withinTime(listenTime, late, async (signal) => {
        await unlessAborted(hub.ready(name), signal);
        this.#endings = [hub.onClosed.on(this.#onClosed), hub.onReconnect.on(this.#onReconnect)];
        this.#discovery.open(hub, this.#onRefused);
        this.#isOpen = true;
        this.#join();
        // The server of NATS processes in order: an error about a subscription comes first.
        await unlessAborted(hub.nc.flush(), signal);
      });
      if (this.#refusal) throw this.#refusal;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new K4netError('K4NET_LISTEN', `${what}: ${why}`, { cause });
    }
    this.#isUp = true;
  }

  close(): Promise<void> {
    this.#isOpen = false;
    for (const each of this.#endings) each();
    this.#discovery.close();
    this.#leave();
    this.#own?.drain();
    this.#own = undefined;
    return Promise.resolve();
  }

  // The connection to NATS belongs to the program, and keeps the process alive.
  ref(): void {
    // Nothing to do.
  }

  unref(): void {
    // Nothing to do.
  }

  /** @param onEnd - called when NATS ends the subscription. */
  #subscribe(subject: string, queue: string | undefined, onEnd: () => void): HubSubscription {
    const onMessage = (message: NatsMessageLike): void => {
      this.#receive(message);
    };
    const onError = (error: Error): void => {
      onEnd();
      this.#onRefused(error);
    };
    return this.#hub.subscribe(subject, queue, onMessage, onError);
  }

  readonly #onRefused = (error: Error): void => {
    this.#refusal = error;
    if (this.#isUp) this.#handlers?.report(error);
  };

  readonly #onClosed = (): void => {
    const why = `${this.#instance.name} is gone: the connection to NATS has closed`;
    this.#onRefused(new K4netError('K4NET_LISTEN', why));
  };

  readonly #onReconnect = (): void => {
    this.#isBanned = false;
    this.#rejoin();
  };

  /** Subscribes to what it is not subscribed to. */
  #join(): void {
    if (!this.#isOpen) return;
    const { name, id } = this.#instance;
    this.#own ??= this.#subscribe(instanceSubject(name, id), undefined, () => {
      this.#own = undefined;
      this.#isBanned = true;
    });
    if (this.#group || this.#isFull) return;
    const group = this.#subscribe(serviceSubject(name), queueGroup, () => {
      this.#isBanned = true;
      if (this.#group === group) this.#group = undefined;
    });
    this.#group = group;
  }

  /** A connection to NATS that closes or drains takes no subscription. */
  #rejoin(): void {
    if (this.#isBanned) return;
    try {
      this.#join();
    } catch (error) {
      debug?.(`cannot join the queue group again, ${causeOf(error)}`);
    }
  }

  /** Leaves the queue group: NATS gives new sessions to other instances. */
  #leave(): void {
    this.#group?.drain();
    this.#group = undefined;
  }

  get #isFull(): boolean {
    return this.#sessions >= this.#maxSessions;
  }

  #receive({ data, reply }: NatsMessageLike): void {
    if (!isEnd(reply)) return;
    let frame: Frame;
    try {
      frame = parseFrame(data);
    } catch {
      return;
    }
    if (frame.kind !== kinds.open || this.#hub.isAway) return;
    // A copy of an `open` whose session is there already.
    if (this.#hub.hasPeer(reply)) return;
    this.#requests += 1;
    if (frame.code !== version) {
      this.#refuse(reply, refusals.unsupported, `version ${frame.code}`);
    } else if (!this.#isOpen || this.#isFull) {
      this.#refuse(reply, refusals.busy, this.#isOpen ? 'maxSessions reached' : 'closing');
    } else {
      this.#accept(reply, frame);
    }
  }

  #refuse(target: string, code: number, why: string): void {
    this.#refused += 1;
    this.#lastError = why;
    this.#hub.publish(target, bareFrame(kinds.refuse, code));
  }

  #accept(target: string, { limit }: Frame): void {
    const token = randomToken();
    const granted = this.#hub.window;
    const accept = bareFrame(kinds.accept, version, { at: 0, have: 0, limit: granted });
    this.#hub.publish(target, accept, this.#hub.subjectOf(token));
    this.#sessions += 1;
    const onGone = (): void => {
      this.#sessions -= 1;
      this.#rejoin();
    };
    const start = { token, target, granted, limit: Math.max(0, limit | 0), onGone };
    const transport = new NatsTransport(this.#hub, start);
    this.#handlers?.accept(incoming(transport, ''));
    if (this.#isFull) this.#leave();
  }
}
