import {
  bytesRule,
  checkOptions,
  millisecondsRule,
  optional,
  uncheckedRule,
  type OptionTable,
} from '../util/options.js';
import type { HeartbeatTimes } from './liveness.js';
import { checkPrefix } from './subjects.js';

/** Limits on the silence of a peer. */
export interface NatsHeartbeatOptions {
  /** Milliseconds of silence after which this side asks the peer. Default 5000. */
  readonly interval?: number | undefined;
  /** Milliseconds of silence after which the session fails with `K4NET_TIMEOUT`. Default 15000. */
  readonly timeout?: number | undefined;
}

/**
 * Options for all sessions of one connection to NATS. The first call sets them; another value later
 * is a TypeError.
 */
export interface NatsOptions {
  /** The begin of the subjects of the sessions. Default `_INBOX`. */
  readonly inboxPrefix?: string | undefined;
  /** Limits on the silence of a peer. */
  readonly heartbeat?: NatsHeartbeatOptions | undefined;
  /**
   * Bytes that a peer may send before this side has taken them, 8192 to 1048576. Default 262144.
   * With more than 64 sessions it is less: 16 MiB for all of them.
   */
  readonly window?: number | undefined;
}

/** The checked options. */
export interface HubSettings {
  readonly inboxPrefix: string;
  readonly heartbeat: HeartbeatTimes;
  readonly window: number;
}

/** For the tables of functions that take these options. */
export const natsTable: OptionTable<NatsOptions, keyof NatsOptions> = {
  inboxPrefix: { fallback: undefined, check: checkPrefix },
  heartbeat: uncheckedRule(),
  window: optional(bytesRule(262_144, 8_192, 1_048_576)),
};

const heartbeatTable: OptionTable<NatsHeartbeatOptions, keyof NatsHeartbeatOptions> = {
  interval: optional(millisecondsRule()),
  timeout: optional(millisecondsRule()),
};

/**
 * The settings of a connection to NATS.
 *
 * @param options - as checked with `natsTable`.
 * @param old - the settings that an earlier call made.
 * @throws TypeError for a value that differs from an earlier one.
 */
export function hubSettings(options: NatsOptions, old?: HubSettings): HubSettings {
  const { interval, timeout } = checkOptions('heartbeat', options.heartbeat, heartbeatTable);
  const chosen = <T>(name: string, given: T | undefined, earlier: T | undefined, fallback: T): T => {
    if (given === undefined || given === earlier || earlier === undefined)
      return given ?? earlier ?? fallback;
    throw new TypeError(
      `${name} is ${String(earlier)} for this connection to NATS already, so it cannot be ${String(given)}`,
    );
  };
  const settings = {
    inboxPrefix: chosen('inboxPrefix', options.inboxPrefix, old?.inboxPrefix, '_INBOX'),
    heartbeat: {
      interval: chosen('heartbeat.interval', interval, old?.heartbeat.interval, 5_000),
      timeout: chosen('heartbeat.timeout', timeout, old?.heartbeat.timeout, 15_000),
    },
    window: chosen('window', options.window, old?.window, 262_144),
  };
  if (settings.heartbeat.interval > settings.heartbeat.timeout) {
    const { interval: ask, timeout: dead } = settings.heartbeat;
    throw new RangeError(`heartbeat.interval (${ask}) exceeds heartbeat.timeout (${dead})`);
  }
  return settings;
}
