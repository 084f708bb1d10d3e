import { isArrayBuffer, type Bytes } from '../util/bytes.js';
import { K4netError, toK4netError } from '../errors.js';
import { findBuiltin, isNode, nextTurn } from '../platform/runtime.js';
import { brokenRule } from './credit.js';
import { CreditTransport } from './credit-transport.js';
import type { CarrierOwner, MessageCarrier } from './message-carrier.js';

/**
 * The part of a message port that the library uses: `MessagePort` and `Worker` of browsers, Node,
 * Deno and Bun, `self` in a worker, `parentPort` of `node:worker_threads`.
 *
 * Nothing else may use the port until the socket has closed. A `MessagePort` closes with its
 * socket. A `Worker`, `self` and `parentPort` stay open: only the listeners of the socket go. A
 * worker that exits or throws fails the connection with `K4NET_CONNECTION`. Older browsers do not
 * tell that the other side is gone: a heartbeat of `QueueSocket` finds out.
 *
 * Ports have no backpressure of their own, so the library adds it: `send` waits for a worker that
 * falls behind. See "The credit layer" in docs/protocol.md.
 *
 * @example
 * ```ts
 * import { LockedSocket } from 'k4net';
 *
 * const { port1, port2 } = new MessageChannel();
 * const near = new LockedSocket(port1);
 * const far = new LockedSocket(port2);
 * await near.send('hello');
 * console.log(await far.recvText());
 * await Promise.all([near.close(), far.close()]);
 * ```
 */
export interface MessagePortLike {
  postMessage(message: ArrayBuffer, transfer: ArrayBuffer[]): void;
  addEventListener?(type: string, listener: (event: object) => void): void;
  removeEventListener?(type: string, listener: (event: object) => void): void;
  on?(event: string, listener: (value: unknown) => void): unknown;
  off?(event: string, listener: (value: unknown) => void): unknown;
  start?(): void;
  close?(): void;
  ref?(): unknown;
  unref?(): unknown;
  hasRef?(): boolean;
}

/**
 * Whether a value has the shape of a `MessagePort` or a `Worker`, or is the `self` of a worker. A
 * window and a `BroadcastChannel` have `postMessage` too, but more than one peer.
 */
export function isMessagePort(value: unknown): value is MessagePortLike {
  if (typeof value !== 'object' || value === null) return false;
  const { postMessage, start, terminate } = value as Record<string, unknown>;
  if (typeof postMessage !== 'function') return false;
  return typeof start === 'function' || typeof terminate === 'function' || isWorkerScope(value);
}

/** A message port as a transport. The transport owns the port from here on. */
export class MessagePortTransport extends CreditTransport {
  constructor(port: MessagePortLike) {
    super(new MessagePortCarrier(port));
  }
}

class MessagePortCarrier implements MessageCarrier {
  /** A port does not say how much waits in it. Its peer is a part of the same program. */
  readonly waiting = 0;
  readonly isOpen = true;
  readonly losesOnClose: boolean;
  readonly #port: MessagePortLike;
  /** Called to remove the listeners. */
  readonly #remove: (() => void)[] = [];
  #owner: CarrierOwner | undefined;

  constructor(port: MessagePortLike) {
    this.#port = port;
    this.losesOnClose = closesWithSocket(port);
  }

  listen(owner: CarrierOwner): void {
    this.#owner = owner;
    this.#on('message', (data) => {
      if (isArrayBuffer(data)) owner.message(new Uint8Array(data), true);
      else owner.violated(brokenRule('a message that is no ArrayBuffer'));
    });
    this.#on('messageerror', () => {
      owner.violated(brokenRule('a message that cannot be read'));
    });
    this.#on('close', () => {
      this.#gone('the peer closed the port');
    });
    // Of a worker itself these events report its own errors.
    if (!isWorkerScope(this.#port)) {
      this.#on('exit', (code) => {
        this.#gone(`the worker exited with code ${String(code)}`);
      });
      this.#on('error', (error) => {
        owner.abort(toK4netError(error, 'K4NET_CONNECTION', 'the worker failed'));
      });
    }
    this.#port.start?.();
    // Node takes no reference to a port that was closed or transferred before, for which no event
    // follows. Other runtimes do not tell.
    this.ref();
    if (isNode() && this.#port.hasRef?.() === false) this.#gone('the port was closed or transferred before');
  }

  send({ buffer }: Bytes): void {
    const whole = buffer as ArrayBuffer;
    this.#port.postMessage(whole, [whole]);
  }

  close(): void {
    if (this.losesOnClose) this.#port.close?.();
    // Not every runtime has a close event at the side that closes.
    nextTurn(() => {
      this.#gone('this side closed the port');
    });
  }

  terminate(): void {
    this.close();
  }

  ref(): void {
    this.#port.ref?.();
  }

  unref(): void {
    this.#port.unref?.();
  }

  #gone(why: string): void {
    for (const remove of this.#remove.splice(0)) remove();
    this.#owner?.gone(new K4netError('K4NET_CONNECTION', why));
  }

  /** Adds a listener that gets the data of a message, or whatever else the event reports. */
  #on(event: string, listener: (data: unknown) => void): void {
    const port = this.#port;
    if (port.on) {
      port.on(event, listener);
      this.#remove.push(() => port.off?.(event, listener));
      return;
    }
    const onEvent = (each: object): void => {
      const { data, error, message } = each as Readonly<Record<string, unknown>>;
      listener(event === 'error' ? (error ?? message) : data);
    };
    port.addEventListener?.(event, onEvent);
    this.#remove.push(() => port.removeEventListener?.(event, onEvent));
  }
}

/** Whether the value is the `self` of a worker. */
function isWorkerScope(value: object): boolean {
  return value === globalThis && !('document' in value);
}

/** Whether a port is of no use without its socket. The worker behind another one may do more. */
function closesWithSocket(port: MessagePortLike): boolean {
  const parentPort: unknown = findBuiltin('node:worker_threads')?.parentPort;
  if (port === parentPort) return false;
  return !('terminate' in port) && !isWorkerScope(port);
}
