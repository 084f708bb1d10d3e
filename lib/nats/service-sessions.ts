import { closedError, K4netError } from '../errors.js';
import { allowListeners } from '../platform/runtime.js';
import type { QueueSocketOptions } from '../queue/queue-socket-options.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import type { CloseInfo } from '../sockets/message-socket.js';
import { AbortHub, Deferred, rejected, withDeadline, type CheckedWait } from '../util/wait.js';
import type { FailedInstances } from './failed-instances.js';
import type { NatsDialer } from './nats-dialer.js';
import type { NatsTransport } from './nats-transport.js';
import { ServiceSession } from './service-session.js';

/** Milliseconds after which a further session is tried again, after one that failed. */
const pauseAfterFailure = 1_000;

/** The limits of the sessions of a service. */
export interface SessionLimits {
  /** Sessions with any instance, for `call`. */
  readonly sessions: number;
  /** Sessions with certain instances, for `callAll` and `sendAll`. */
  readonly maxInstances: number;
  /** Calls that wait for a session. */
  readonly maxWaiting: number;
}

/** The sessions of a service: some with any instance, and one with each instance that it names. */
export class ServiceSessions {
  readonly #dialer: NatsDialer;
  readonly #options: QueueSocketOptions;
  readonly #limits: SessionLimits;
  readonly #failed: FailedInstances;
  readonly #stop = new AbortController();
  readonly #aborts = new AbortHub();
  /** All that are not closed. */
  readonly #all = new Set<ServiceSession>();
  /** Those with any instance. */
  readonly #pool = new Set<ServiceSession>();
  readonly #byInstance = new Map<string, Promise<ServiceSession>>();
  readonly #open = new Map<string, ServiceSession>();
  readonly #waiting = new Set<Deferred<ServiceSession>>();
  #opening = 0;
  #failedAt = -Infinity;

  constructor(
    dialer: NatsDialer,
    options: QueueSocketOptions,
    limits: SessionLimits,
    failed: FailedInstances,
  ) {
    this.#dialer = dialer;
    this.#options = options;
    this.#limits = limits;
    this.#failed = failed;
    allowListeners(this.#stop.signal);
  }

  /** Aborts when the service closes. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The instances with an open session of their own. */
  get instances(): string[] {
    return [...this.#open].filter(([, session]) => session.isUsable).map(([id]) => id);
  }

  /**
   * The open session with the fewest calls under way, or a promise of one. Opens a further one if
   * that has calls.
   *
   * The promise rejects with the error of the session that does not open, with `K4NET_BUSY` if too
   * many calls wait, with `K4NET_TIMEOUT`, or with the reason of the signal.
   */
  any(wait: CheckedWait): ServiceSession | Promise<ServiceSession> {
    let best: ServiceSession | undefined;
    for (const session of this.#pool) {
      if (!session.isUsable) this.#retire(session);
      else if (!best || session.calls < best.calls) best = session;
    }
    const wanted = best ? best.calls > 0 && performance.now() >= this.#failedAt + pauseAfterFailure : true;
    if (wanted && this.#pool.size + this.#opening < this.#limits.sessions) void this.#openAny();
    if (best) return best;
    const { maxWaiting } = this.#limits;
    if (this.#waiting.size >= maxWaiting) {
      const why = `${maxWaiting} calls wait for a session with ${this.#dialer.title} (maxWaiting)`;
      return rejected(new K4netError('K4NET_BUSY', why));
    }
    const waiter = new Deferred<ServiceSession>();
    this.#waiting.add(waiter);
    const cancel = (reason: unknown): void => {
      this.#waiting.delete(waiter);
      waiter.rejectHandled(reason);
    };
    return withDeadline(waiter.promise, wait, this.#aborts, cancel, 'no session with an instance opened');
  }

  /**
   * The session with an instance. Rejects with the error of the session that does not open, or with
   * `K4NET_BUSY` if there are too many.
   */
  with(id: string): Promise<ServiceSession> {
    const open = this.#open.get(id);
    if (open && !open.isUsable) {
      this.#open.delete(id);
      this.#byInstance.delete(id);
      open.retire();
    }
    const found = this.#byInstance.get(id);
    if (found) return found;
    const { maxInstances } = this.#limits;
    if (this.#byInstance.size >= maxInstances) {
      const why = `there are sessions with ${maxInstances} instances of ${this.#dialer.title} (maxInstances)`;
      return Promise.reject(new K4netError('K4NET_BUSY', why));
    }
    const connecting = this.#connect(id);
    this.#byInstance.set(id, connecting);
    connecting.then(
      (session) => {
        this.#failed.remove(id);
        if (this.#byInstance.get(id) === connecting) this.#open.set(id, session);
      },
      () => {
        this.#failed.add(id);
        if (this.#byInstance.get(id) === connecting) this.#byInstance.delete(id);
      },
    );
    return connecting;
  }

  /** Closes all sessions. Calls that wait reject. */
  async close(timeout: number): Promise<void> {
    const reason = closedError('this side has closed the service');
    this.#stop.abort(reason);
    this.#rejectWaiting(reason);
    await Promise.all([...this.#all].map((session) => session.queue.close(undefined, { timeout })));
  }

  async #openAny(): Promise<void> {
    this.#opening += 1;
    try {
      const session = await this.#connect(undefined);
      this.#opening -= 1;
      this.#pool.add(session);
      for (const waiter of this.#waiting) waiter.resolve(session);
      this.#waiting.clear();
    } catch (error) {
      this.#opening -= 1;
      this.#failedAt = performance.now();
      if (this.#opening === 0) this.#rejectWaiting(error);
    }
  }

  async #connect(id: string | undefined): Promise<ServiceSession> {
    let transport: NatsTransport | undefined;
    const onOpen = (opened: NatsTransport): void => {
      transport = opened;
    };
    // Another attempt would hold the place of another instance.
    const once = id !== undefined;
    const socket: LockedSocket = await this.#dialer.connect(id, { signal: this.#stop.signal, onOpen, once });
    if (this.#stop.signal.aborted) {
      void socket.close(undefined, { timeout: 0 });
      throw this.#stop.signal.reason;
    }
    // A direct connection may follow an attempt over NATS.
    const own = socket.remoteAddress === '' ? transport : undefined;
    const session = new ServiceSession(socket, own, this.#options, this.#onEnd);
    this.#all.add(session);
    return session;
  }

  /**
   * A session has ended. If this side did not retire it, the instance is gone or is closing: no new
   * call uses the other sessions with it.
   */
  readonly #onEnd = (ended: ServiceSession, { code }: CloseInfo): void => {
    this.#all.delete(ended);
    this.#pool.delete(ended);
    for (const [id, session] of this.#open) {
      if (session !== ended) continue;
      this.#open.delete(id);
      this.#byInstance.delete(id);
    }
    const { peerProcess } = ended;
    if (peerProcess === undefined || (ended.isRetired && code === 'K4NET_CLOSED')) return;
    for (const session of this.#all) if (session.peerProcess === peerProcess) session.retire();
  };

  #retire(session: ServiceSession): void {
    this.#pool.delete(session);
    session.retire();
  }

  #rejectWaiting(reason: unknown): void {
    for (const waiter of this.#waiting) waiter.rejectHandled(reason);
    this.#waiting.clear();
  }
}
