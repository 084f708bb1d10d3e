import { Server } from '../net/server.js';
import type { ServerParts } from '../net/server-parts.js';
import {
  encryptedParts,
  encryptedServingTable,
  plainParts,
  servingTable,
  type EncryptedServingOptions,
  type ServingOptions,
  type UnsetEncryptedServing,
  type UnsetServing,
} from '../net/serving.js';
import type { EncryptedSocket, EstablishedSocket } from '../sockets/encrypted-socket.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { kindOf } from '../util/bytes.js';
import {
  checkOptions,
  countRule,
  flagRule,
  ownOptions,
  type Checked,
  type OptionRule,
  type OptionTable,
} from '../util/options.js';
import { natsTable, type NatsOptions } from './hub-settings.js';
import { hubFor } from './hubs.js';
import type { NatsConnectionLike } from './nats-connection.js';
import { NatsListener } from './nats-listener.js';
import { checkName, randomId } from './subjects.js';

/** Options of {@link listenNats} beside those of `listen`. */
interface InstanceOptions extends NatsOptions {
  /** The version of the service, for `nats micro`: three numbers, such as the default `0.0.0`. */
  readonly version?: string | undefined;
  /** Facts about the instance for everybody, such as `nats micro`. Default: none. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Sessions of this instance. At this limit it leaves the queue group. Default 1024. */
  readonly maxSessions?: number | undefined;
}

/** Options of {@link listenNats} for plain sockets. */
export interface PlainListenNatsOptions extends InstanceOptions, ServingOptions {
  /** Turns encryption off: all who may use NATS, and NATS itself, can read and change messages. */
  readonly plain: true;
}

/**
 * Options of {@link listenNats} for encrypted sockets. One of `key`, `keyPath` and `ephemeralKey`
 * is required. All instances of a name have the same key.
 */
export interface EncryptedListenNatsOptions extends InstanceOptions, EncryptedServingOptions {}

/** Options of {@link listenNats}. */
export type ListenNatsOptions = PlainListenNatsOptions | EncryptedListenNatsOptions;

/** One instance of a service: a server whose connections come over NATS. */
export class NatsServer<S extends LockedSocket = LockedSocket> extends Server<S> {
  /** The id of the instance, with which `connectNats` reaches it. */
  readonly id: string;

  /** @internal Servers are made by `listenNats`. */
  constructor(listener: NatsListener, parts: ServerParts<S>, id: string) {
    super([listener], parts);
    this.id = id;
  }
}

type UnsetInstance = keyof NatsOptions;

const versionRule: OptionRule<string> = {
  fallback: '0.0.0',
  check: (name, value: unknown) => {
    if (typeof value === 'string' && value.length <= 128 && /^\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/.test(value)) {
      return value;
    }
    throw new TypeError(`${name} must be three numbers such as '1.4.0', not ${shown(value)}`);
  },
};

/** Bytes of the metadata as JSON: every instance sends them to everybody who asks. */
const longestMetadata = 16_384;

const metadataRule: OptionRule<Readonly<Record<string, string>>> = {
  fallback: {},
  check: (name, value: unknown) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    const entries = isObject ? Object.entries(value) : undefined;
    if (!entries?.every(([, each]) => typeof each === 'string')) {
      throw new TypeError(`${name} must be an object of strings, not ${kindOf(value)}`);
    }
    const copy = Object.fromEntries(entries) as Readonly<Record<string, string>>;
    const { length } = JSON.stringify(copy);
    if (length <= longestMetadata) return copy;
    throw new RangeError(`${name} must be at most ${longestMetadata} characters as JSON, not ${length}`);
  },
};

const instanceTable: OptionTable<InstanceOptions, UnsetInstance> = {
  ...natsTable,
  version: versionRule,
  metadata: metadataRule,
  maxSessions: countRule(1024, 1, 65_536),
};

const plainTable: OptionTable<PlainListenNatsOptions, UnsetInstance | UnsetServing> = {
  ...instanceTable,
  ...servingTable,
  plain: flagRule(false),
};

const encryptedTable: OptionTable<EncryptedListenNatsOptions, UnsetInstance | UnsetEncryptedServing> = {
  ...instanceTable,
  ...encryptedServingTable,
};

/**
 * Starts an instance of a service over NATS. NATS gives each new session to one of the instances
 * with this name. The connection to NATS stays open when the server closes.
 *
 * Rejects with `K4NET_LISTEN` if NATS is away, does not answer within 10 seconds or does not permit
 * the subscriptions, with a `FileError` for a key file that cannot be read or made, or with a
 * TypeError or RangeError for invalid arguments.
 *
 * @param nc - a connection of `@nats-io/transport-node`, `wsconnect` or `nats`.
 * @param name - of the service: letters, digits, `_` and `-`.
 *
 * @example
 * ```ts
 * import { listenNats, type NatsConnectionLike } from 'k4net/nats';
 *
 * export async function serve(nc: NatsConnectionLike) {
 *   const server = await listenNats(nc, 'orders', { keyPath: './orders', version: '1.4.0' });
 *   for await (const socket of server) await socket.close(`hello from ${server.id}`);
 * }
 * ```
 */
export function listenNats(
  nc: NatsConnectionLike,
  name: string,
  options: EncryptedListenNatsOptions,
): Promise<NatsServer<EstablishedSocket>>;
export function listenNats(
  nc: NatsConnectionLike,
  name: string,
  options: ListenNatsOptions,
): Promise<NatsServer>;
export async function listenNats(
  nc: NatsConnectionLike,
  name: string,
  given: ListenNatsOptions,
): Promise<NatsServer | NatsServer<EncryptedSocket> | NatsServer<EstablishedSocket>> {
  const own = ownOptions('listenNats', given, Object.keys(encryptedTable));
  if (own.plain === true) {
    const options = checkOptions('listenNats with plain: true', own, plainTable);
    return opened(nc, name, options, () => Promise.resolve(plainParts(options)));
  }
  const options = checkOptions('listenNats', own, encryptedTable);
  return opened(nc, name, options, () => encryptedParts('listenNats', options));
}

async function opened<S extends LockedSocket>(
  nc: NatsConnectionLike,
  given: string,
  options: Checked<InstanceOptions, UnsetInstance>,
  partsOf: () => Promise<ServerParts<S>>,
): Promise<NatsServer<S>> {
  const name = checkName('the name of a service', given);
  const hub = hubFor(nc, options);
  const { version, metadata, maxSessions } = options;
  const id = randomId();
  const listener = new NatsListener(hub, { name, id, version, metadata }, maxSessions);
  const server = new NatsServer(listener, await partsOf(), id);
  await server.open();
  return server;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : kindOf(value);
}
