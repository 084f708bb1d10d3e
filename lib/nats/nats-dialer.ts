import {
  dialingTable,
  encryptedDialingTable,
  encryptedOpener,
  openWithRetries,
  plainOpener,
  type DialingOptions,
  type EncryptedDialingOptions,
  type Opener,
  type UnsetDialing,
  type UnsetEncryptedDialing,
} from '../net/dialing.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import {
  checkOptions,
  flagRule,
  withOptions,
  type Checked,
  type OptionRule,
  type OptionTable,
} from '../util/options.js';
import type { AbortSignalLike } from '../util/wait.js';
import { directFirst } from './direct.js';
import type { Hub } from './hub.js';
import { natsTable, type NatsOptions } from './hub-settings.js';
import { hubFor } from './hubs.js';
import type { NatsConnectionLike } from './nats-connection.js';
import type { NatsTransport } from './nats-transport.js';
import { checkName, instanceSubject, serviceSubject } from './subjects.js';

/** Options of the clients of a service over NATS, for plain sockets. */
export interface PlainNatsDialingOptions extends NatsOptions, DialingOptions {
  /** Turns encryption off: all who may use NATS, and NATS itself, can read and change messages. */
  readonly plain: true;
}

/**
 * Options of the clients of a service over NATS, for encrypted sockets. Without any of `key`,
 * `keyPath`, `pin`, `knownHosts` and `insecureAcceptAnyKey`, the default is `knownHosts: true`
 * (trust on first use) under the name `nats:<name>` or `serverName`.
 */
export interface EncryptedNatsDialingOptions extends NatsOptions, EncryptedDialingOptions {
  /**
   * Tries first the address that an instance has in its metadata, such as
   * `direct: 'tcp://host:9000'`: `tcp:`, `ws:` and `wss:`. If that fails within 2 seconds, the
   * session goes over NATS. Default false: everybody who may use NATS can claim to be an instance,
   * and make this side connect to any address. The server there must have the key of the service,
   * so `direct` needs `pin` or `key`.
   */
  readonly direct?: boolean | undefined;
}

type UnsetNats = keyof NatsOptions;

const plainTable: OptionTable<PlainNatsDialingOptions, UnsetNats | UnsetDialing> = {
  ...natsTable,
  ...dialingTable,
  plain: flagRule(false),
};

const encryptedTable: OptionTable<EncryptedNatsDialingOptions, UnsetNats | UnsetEncryptedDialing> = {
  ...natsTable,
  ...encryptedDialingTable,
  direct: flagRule(false),
};

/** The names of all options. */
export const natsDialingNames: readonly string[] = Object.keys(encryptedTable);

/** An instance id, for a table. */
export const instanceRule: OptionRule<string | undefined> = { fallback: undefined, check: checkName };

/** How a session is opened. */
interface Attempts {
  /** Ends the attempts. Default: that of the options. */
  readonly signal?: AbortSignalLike | undefined;
  /** Gets the transport of each session over NATS. */
  readonly onOpen?: ((transport: NatsTransport) => void) | undefined;
  /** No retries. */
  readonly once?: boolean | undefined;
}

/** Opens sessions with the instances of a service. */
export class NatsDialer {
  /** The service, for messages and a known-hosts store. */
  readonly title: string;
  readonly name: string;
  readonly hub: Hub;
  readonly #options: Checked<DialingOptions, UnsetDialing>;
  readonly #openerFor: (instance: string | undefined) => Opener<LockedSocket>;

  /**
   * @param where - the name of the function or class, for messages.
   * @param own - the options without those of `where` itself.
   * @throws TypeError or RangeError for wrong arguments.
   */
  constructor(where: string, nc: NatsConnectionLike, name: string, own: object) {
    this.name = checkName('the name of a service', name);
    this.title = `nats:${name}`;
    if ('plain' in own && own.plain === true) {
      const given = own as PlainNatsDialingOptions;
      const options = checkOptions(`${where} with plain: true`, given, plainTable);
      const opener = plainOpener(options);
      this.#options = options;
      this.#openerFor = () => opener;
      this.hub = hubFor(nc, options);
      return;
    }
    const options = checkOptions(where, own as EncryptedNatsDialingOptions, encryptedTable);
    const { direct, pin, key } = options;
    if (direct && pin === undefined && key === undefined) {
      throw new TypeError(
        "direct: true needs 'pin' or 'key': an instance that nobody knows tells the address",
      );
    }
    const opener = encryptedOpener(options, this.title);
    const hub = hubFor(nc, options);
    this.#options = options;
    this.#openerFor = (instance) => (direct ? directFirst(opener, hub, name, instance) : opener);
    this.hub = hub;
  }

  /**
   * Opens a session, with retries.
   *
   * @param instance - the id of the instance; undefined for any.
   */
  connect(
    instance: string | undefined,
    { signal = this.#options.signal, onOpen, once = false }: Attempts = {},
  ): Promise<LockedSocket> {
    const target = instance === undefined ? serviceSubject(this.name) : instanceSubject(this.name, instance);
    const dial = async (inner: AbortSignal): Promise<NatsTransport> => {
      const transport = await this.hub.open(target, inner);
      onOpen?.(transport);
      return transport;
    };
    const options = withOptions(this.#options, once ? { signal, retry: false } : { signal });
    return openWithRetries(this.title, options, dial, this.#openerFor(instance));
  }
}
