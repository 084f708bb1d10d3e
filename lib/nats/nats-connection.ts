/** A message of NATS, as far as k4net uses it. */
export interface NatsMessageLike {
  readonly subject: string;
  /** The subject for answers; empty or undefined if there is none. */
  readonly reply?: string | undefined;
  readonly data: Uint8Array;
  /** The headers: the server of NATS uses code 503 to say that nobody listens. */
  readonly headers?: { readonly code: number } | undefined;
}

/** Options of {@link NatsConnectionLike.subscribe}, as far as k4net uses them. */
export interface NatsSubscribeOptions {
  /** The queue group. Each message goes to one member of it. */
  queue?: string;
  /** Called with each message, or with an error that ends the subscription. */
  callback?: (error: Error | null, message: NatsMessageLike) => void;
}

/** A subscription of NATS, as far as k4net uses it. */
export interface NatsSubscriptionLike {
  /** Ends the subscription. */
  unsubscribe(): void;
  /** Ends the subscription after the messages under way. */
  drain(): Promise<unknown>;
}

/**
 * A connection to NATS: that of `@nats-io/transport-node`, of `wsconnect` in `@nats-io/nats-core`
 * (browsers), or of the package `nats` from 2.29. k4net never closes it.
 */
export interface NatsConnectionLike {
  /** The description that the server of NATS gives of itself. */
  readonly info?: { readonly max_payload: number } | undefined;
  /** Publishes a message. */
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string }): void;
  /** Subscribes to a subject. */
  subscribe(subject: string, options?: NatsSubscribeOptions): NatsSubscriptionLike;
  /** News about the connection: `disconnect`, `reconnect`, `error` and others. */
  status(): AsyncIterable<{ readonly type: string }>;
  /** Resolves when the connection has closed for good. */
  closed(): Promise<unknown>;
  /** Whether the connection has closed for good. */
  isClosed(): boolean;
  /** Resolves when the server of NATS has processed all that was published before. */
  flush(): Promise<void>;
}

/** An operation that the server of NATS did not permit. */
export interface Violation {
  readonly operation: string;
  readonly subject: string;
}

/** The violation of permissions in a value of `status()`, if there is one. */
export function violationIn(status: object): Violation | undefined {
  const { error, permissionContext } = status as Readonly<Record<string, unknown>>;
  for (const each of [error, permissionContext]) {
    const { operation, subject } = (each ?? {}) as Partial<Violation>;
    if (typeof operation === 'string' && typeof subject === 'string') return { operation, subject };
  }
  return undefined;
}

const methods = ['publish', 'subscribe', 'status', 'closed', 'isClosed', 'flush'] as const;

/** Whether a value has the methods of a connection to NATS. */
export function isNatsConnection(value: unknown): value is NatsConnectionLike {
  if (typeof value !== 'object' || value === null) return false;
  const found = value as Readonly<Record<string, unknown>>;
  return methods.every((name) => typeof found[name] === 'function');
}
