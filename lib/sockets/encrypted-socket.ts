import type { Bytes } from '../util/bytes.js';
import { kindOf } from '../util/bytes.js';
import { checkOptions, flagRule, noOptions, type OptionTable } from '../util/options.js';
import { SecureTransport } from '../session/secure-transport.js';
import { clientPlan, serverPlan } from '#plan';
import { toTransport, type Carrier } from '../transport/to-transport.js';
import {
  AbortHub,
  withDeadline,
  Deferred,
  markHandled,
  rejected,
  type WaitOptions,
  type CheckedWait,
} from '../util/wait.js';
import {
  clientTable,
  serverTable,
  sessionTable,
  type EncryptedClientOptions,
  type EncryptedServerOptions,
  type EncryptedSocketOptions,
  type UnsetClient,
  type UnsetServer,
  type UnsetSession,
} from './encrypted-socket-options.js';
import {
  checkedTimeout,
  checkedWait,
  lockedSocketOptions,
  lockedSocketTable,
  type LockedSocketOptions,
} from './locked-socket-options.js';
import { whenGone } from './acquire.js';
import { LockedSocket } from './locked-socket.js';
import type { CloseOptions, ReadyState } from './message-socket.js';
import type { Peer } from './peer.js';
import type { PeerPlan } from './session-plan.js';

/**
 * A {@link LockedSocket} with end-to-end encryption and no certificates: the server has an RSA key,
 * and the client knows the key, has a pin of it, or remembers it (trust on first use). See
 * "k4net/1" in `docs/protocol.md` and `docs/security-model.md`.
 *
 * The handshake begins with the first `send`, `recv` or `handshake`. One end must be a client, the
 * other end a server.
 *
 * @example
 * ```ts
 * import { EncryptedSocket, generateKeyPair, memoryPair } from 'k4net';
 *
 * const key = await generateKeyPair();
 * const [left, right] = memoryPair();
 * const server = new EncryptedSocket(left, { isServer: true, key });
 * const client = new EncryptedSocket(right, { pin: key.fingerprint });
 * const greeting = server.recvText();
 * await client.send('hello');
 * console.log(await greeting, client.peer?.authenticated);
 * await Promise.all([client.close(), server.close()]);
 * ```
 */
export class EncryptedSocket extends LockedSocket {
  readonly #secure: SecureTransport;
  readonly #plan: PeerPlan;

  /**
   * @param carrier - a Node duplex stream or a {@link Transport}. The socket owns it from here on.
   * @throws TypeError for an option that is unknown, does not fit the role, or contradicts another;
   * RangeError for a value out of range. In the build for browsers, the contents of keys and
   * pins are checked when the handshake begins, and fail it with `K4NET_STATE`.
   */
  constructor(carrier: Carrier, options?: EncryptedSocketOptions);
  /** @internal A plan replaces the options of the session. */
  constructor(carrier: Carrier, options: LockedSocketOptions, plan: PeerPlan);
  constructor(carrier: Carrier, given?: EncryptedSocketOptions, plan?: PeerPlan) {
    const { options, chosen } = plan ? { options: given ?? {}, chosen: plan } : checkedPlan(given);
    const secure = new SecureTransport(toTransport(carrier), chosen);
    super(secure, lockedSocketOptions(options));
    this.#secure = secure;
    this.#plan = chosen;
  }

  override get readyState(): ReadyState {
    const state = super.readyState;
    const shaking = this.#secure.state === 'idle' || this.#secure.state === 'handshake';
    return state === 'open' && shaking ? 'connecting' : state;
  }

  override get peer(): Peer | undefined {
    const { session } = this.#secure;
    return session && this.#plan.peerOf(session);
  }

  /**
   * 32 bytes that are the same on both sides of this session and differ from every other session;
   * undefined until the handshake has succeeded. Not a secret.
   */
  get sessionId(): Uint8Array | undefined {
    return this.#secure.session?.id;
  }

  /** @internal */
  override get [whenGone](): Promise<unknown> {
    return this.#secure.whenGone;
  }

  /**
   * Starts the handshake if it has not started, and waits until it has succeeded. The handshake
   * continues when this wait ends early; its own deadline is `handshakeTimeout`.
   *
   * Rejects with the error that ended the handshake: `docs/errors.md`, "The handshake".
   */
  handshake(options?: WaitOptions): Promise<Peer> {
    try {
      return markHandled(this.#shake(checkedWait('handshake', options)));
    } catch (error) {
      return rejected(error);
    }
  }

  async #shake(wait: CheckedWait): Promise<Peer> {
    if (wait.signal?.aborted) throw wait.signal.reason;
    this.#secure.start();
    const settled = new Deferred<Peer>();
    this.#secure.ready.then((session) => {
      settled.resolve(this.#plan.peerOf(session));
    }, settled.reject);
    return withDeadline(
      settled.promise,
      wait,
      new AbortHub(),
      settled.reject,
      'the handshake did not succeed',
    );
  }

  /**
   * Changes the key of this direction now (rekey). Resolves when the operating system has the last
   * bytes under the old key. The socket also rekeys by itself, long before the limit of a key.
   */
  rekey(options?: WaitOptions): Promise<void> {
    const changed = async (wait: WaitOptions): Promise<void> => {
      await this.handshake(wait);
      this.#secure.rekey();
      await this.flush(wait);
    };
    try {
      return markHandled(changed(checkedWait('rekey', options)));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Key material for the application, the same on both sides: "Key schedule" in `docs/protocol.md`.
   *
   * @param label - the purpose of the key, 1 to 255 printable ASCII characters.
   * @param context - bytes that the key depends on.
   * @param length - bytes of key material, 1 to 8160.
   */
  async export(label: string, context: Bytes, length: number): Promise<Uint8Array> {
    if (!(context instanceof Uint8Array))
      throw new TypeError(`context must be a Uint8Array, not ${kindOf(context)}`);
    await this.handshake();
    const session = await this.#secure.ready;
    return session.export(label, context, length);
  }

  override close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    try {
      const timeout = checkedTimeout('close', options);
      // An unused socket closes without a handshake. A cut (timeout 0) must not send an end first.
      const unused = closingMessage === undefined && this.bufferedAmount === 0;
      if (unused && timeout !== 0) this.#secure.dismiss();
    } catch (error) {
      return rejected(error);
    }
    return super.close(closingMessage, options);
  }
}

/**
 * An {@link EncryptedSocket} whose handshake has succeeded, so that its peer is known: `connect`
 * and the servers of `listen` return such sockets.
 */
export type EstablishedSocket = EncryptedSocket & {
  readonly peer: Peer;
  readonly sessionId: Uint8Array;
};

const bothTables = { ...sessionTable, ...lockedSocketTable };
const asClient: OptionTable<EncryptedClientOptions, UnsetClient | UnsetSession> = {
  isServer: flagRule(false),
  ...clientTable,
  ...bothTables,
};
const asServer: OptionTable<EncryptedServerOptions, UnsetServer | UnsetSession> = {
  isServer: flagRule(true),
  ...serverTable,
  ...bothTables,
};

function checkedPlan(given: EncryptedSocketOptions = noOptions): {
  readonly options: LockedSocketOptions;
  readonly chosen: PeerPlan;
} {
  // A polluted `Object.prototype` must not turn a client into a server.
  if (Object.hasOwn(given, 'isServer') && given.isServer === true) {
    const options = checkOptions('EncryptedSocket as a server', given, asServer);
    return { options, chosen: serverPlan(options) };
  }
  const options = checkOptions('EncryptedSocket as a client', given as EncryptedClientOptions, asClient);
  return { options, chosen: clientPlan(options) };
}
