import { isArrayBuffer, type Bytes } from '../util/bytes.js';
import { quoteText } from '../util/escape.js';
import { K4netError, systemCode, toK4netError } from '../errors.js';
import { brokenRule } from './credit.js';
import { CreditTransport } from './credit-transport.js';
import { formatAddress } from './duplex-like.js';
import type { CarrierOwner, MessageCarrier } from './message-carrier.js';

/**
 * The part of a WebSocket that the library uses: of browsers, Node, Deno and Bun, and of the
 * package `ws`. The socket may still be connecting: what is sent waits.
 *
 * Give it to a socket of the library as soon as it exists, because messages that come before are
 * lost. The peer uses this library too: "The credit layer" in docs/protocol.md is the format. A
 * `WebSocketServer` needs `maxPayload` of 1 MiB + 1 byte, and works best without
 * `perMessageDeflate`. A server socket of `Bun.serve` has no events and is not supported: use `ws`
 * there.
 *
 * @example
 * ```ts
 * import { LockedSocket } from 'k4net';
 * import { WebSocket, WebSocketServer } from 'ws';
 *
 * const server = new WebSocketServer({
 *   port: 0,
 *   maxPayload: 1024 * 1024 + 1,
 *   perMessageDeflate: false,
 * });
 * server.on('connection', async (webSocket) => {
 *   const sock = new LockedSocket(webSocket);
 *   await sock.close(`hello, ${await sock.recvText()}`);
 * });
 * await new Promise((resolve) => server.once('listening', resolve));
 *
 * const { port } = server.address() as { port: number };
 * const sock = new LockedSocket(new WebSocket(`ws://localhost:${port}`));
 * await sock.send('Ada');
 * console.log(await sock.recvText());
 * await sock.close();
 * server.close();
 * ```
 */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  binaryType: string;
  /** Also takes a view of the buffer, as in every WebSocket. */
  send(data: ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: object) => void): void;
}

/** The part of a socket of the package `ws` that other WebSockets do not have. */
interface WsExtras {
  on(event: string, listener: (...args: never[]) => void): unknown;
  terminate(): void;
  readonly _socket?: WsStream | null;
}

/** The stream below a socket of `ws`. */
interface WsStream {
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  ref?(): unknown;
  unref?(): unknown;
}

type WsSocket = WebSocketLike & WsExtras;

interface CloseEventLike {
  readonly code?: number;
  readonly reason?: string;
}

/** The states of a WebSocket. */
const connecting = 0;
const open = 1;
const closed = 3;

/** Close codes: both directions have ended; the connection was cut. */
const normalClosure = 1000;
const cutClosure = 4000;

/** Whether a value has the shape of a WebSocket. */
export function isWebSocket(value: unknown): value is WebSocketLike {
  if (typeof value !== 'object' || value === null) return false;
  const { readyState, binaryType, send, close, addEventListener } = value as Partial<WebSocketLike>;
  return (
    typeof readyState === 'number' &&
    typeof binaryType === 'string' &&
    [send, close, addEventListener].every((method) => typeof method === 'function')
  );
}

/** A WebSocket as a transport. The transport owns the socket from here on. */
export class WebSocketTransport extends CreditTransport {
  /**
   * @param addresses - the addresses to report. Default: those of the stream below a socket of `ws`
   * that is open.
   */
  constructor(socket: WebSocketLike, addresses: { remoteAddress?: string; localAddress?: string } = {}) {
    super(new WebSocketCarrier(socket), { ...addressesOf(socket), ...addresses });
  }
}

class WebSocketCarrier implements MessageCarrier {
  readonly losesOnClose = true;
  readonly #socket: WebSocketLike;
  readonly #ws: WsSocket | undefined;

  constructor(socket: WebSocketLike) {
    this.#socket = socket;
    this.#ws = isWs(socket) ? socket : undefined;
    // A socket of `ws` then gives its bytes without a copy.
    socket.binaryType = this.#ws ? 'nodebuffer' : 'arraybuffer';
  }

  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === open;
  }

  // The transport owns the socket, so the listeners stay: a socket of `ws` throws an error event
  // that has no listener, and can emit one after `terminate`.
  listen(owner: CarrierOwner): void {
    if (this.#ws) listenToWs(this.#ws, owner);
    else listenToEvents(this.#socket, owner);
    // The close event of a closed socket has come before.
    if (this.#socket.readyState >= closed) owner.gone(closeError());
  }

  send(message: Bytes): void {
    // The types of WebSockets disagree about views, so the public one names only the buffer.
    this.#socket.send(message as never);
  }

  close(clean: boolean): void {
    this.#socket.close(clean ? normalClosure : cutClosure);
  }

  terminate(): void {
    this.#ws?.terminate();
  }

  ref(): void {
    this.#ws?._socket?.ref?.();
  }

  unref(): void {
    this.#ws?._socket?.unref?.();
  }
}

/** The events of `ws` itself cost less than its DOM events. */
function listenToWs(socket: WsSocket, owner: CarrierOwner): void {
  let failure: unknown;
  socket.on('open', () => {
    owner.opened();
  });
  socket.on('message', (data: Bytes, isBinary: boolean) => {
    if (isBinary) owner.message(data, false);
    else owner.violated(brokenRule('text'));
  });
  socket.on('error', (error: unknown) => {
    failure = error;
    // A frame over `maxPayload`, or one that breaks the WebSocket protocol.
    if (systemCode(error).startsWith('WS_ERR_')) {
      owner.violated(toK4netError(error, 'K4NET_MALFORMED', 'the peer broke the WebSocket protocol'));
    }
  });
  socket.on('close', (code: number, reason: Bytes) => {
    owner.gone(closeError(code, new TextDecoder().decode(reason), failure));
  });
}

function listenToEvents(socket: WebSocketLike, owner: CarrierOwner): void {
  let failure: unknown;
  socket.addEventListener('open', () => {
    owner.opened();
  });
  socket.addEventListener('message', (event) => {
    const { data } = event as { readonly data: unknown };
    if (isArrayBuffer(data)) owner.message(new Uint8Array(data), true);
    else owner.violated(brokenRule('text'));
  });
  socket.addEventListener('error', (event) => {
    failure = (event as { readonly error?: unknown }).error;
    // Node 22 emits no close event if the connection fails, and stays in this state.
    if (socket.readyState === connecting) owner.gone(closeError(undefined, undefined, failure));
  });
  socket.addEventListener('close', (event) => {
    const { code, reason } = event as CloseEventLike;
    owner.gone(closeError(code, reason, failure));
  });
}

/** The error for a close. The reason is text of the peer. */
function closeError(code?: number, reason?: string, failure?: unknown): K4netError {
  const said = reason ? `, ${quoteText(reason)}` : '';
  const details = code === undefined ? '' : ` (code ${code}${said})`;
  const cause = failure ?? undefined;
  return new K4netError('K4NET_CONNECTION', `the WebSocket closed${details}`, { cause });
}

function isWs(socket: WebSocketLike): socket is WsSocket {
  const { on, terminate } = socket as Partial<WsSocket>;
  return typeof on === 'function' && typeof terminate === 'function';
}

function addressesOf(socket: WebSocketLike): { remoteAddress: string; localAddress: string } {
  const stream = (socket as Partial<WsSocket>)._socket ?? {};
  return {
    remoteAddress: formatAddress(stream.remoteAddress, stream.remotePort),
    localAddress: formatAddress(stream.localAddress, stream.localPort),
  };
}
