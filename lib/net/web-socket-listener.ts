import type { WebSocketServer } from 'ws';
import { K4netError } from '../errors.js';
import type { NodeRequest, NodeSocket } from '../platform/runtime.js';
import { WebSocketTransport, type WebSocketLike } from '../transport/web-socket.js';
import { kindOf } from '../util/bytes.js';
import { quoteText } from '../util/escape.js';
import { withOptions } from '../util/options.js';
import { markHandled } from '../util/wait.js';
import { describeAddress, hostOf, toAddress, type Address } from './address.js';
import { incoming } from './incoming.js';
import type { Listener, ListenerHandlers } from './listener.js';
import { findWs, wsOptions } from './node-web-socket.js';
import { bindOnce, listenError } from './tcp-listener.js';
import { UpgradeServer } from './upgrade-server.js';
import {
  checkSource,
  isAllowedOrigin,
  isHttpServer,
  type CheckedSource,
  type HttpServerLike,
  type UpgradeRequestLike,
  type WebSocketServerLike,
  type WebSocketSource,
} from './web-socket-source.js';

/** Bytes that came behind a request. */
type UpgradeHead = Parameters<WebSocketServer['handleUpgrade']>[2];

/**
 * Milliseconds of silence after which the system probes a connection, as for TCP: it finds a peer
 * that is gone.
 */
const keepAliveDelay = 60_000;

/**
 * Takes WebSockets from an HTTP server, its own or one of the program, or from a `WebSocketServer`.
 */
export class WebSocketListener implements Listener {
  readonly #options: CheckedSource;
  readonly #own: { readonly upgrades: UpgradeServer; readonly address: Address } | undefined;
  #handlers: ListenerHandlers | undefined;
  #removeListener: (() => void) | undefined;

  /** @throws TypeError or RangeError for an invalid option. */
  constructor(given: WebSocketSource) {
    this.#options = checkSource(given);
    const { server, port, host } = this.#options;
    if (server === undefined) {
      this.#own = {
        address: toAddress('listen', withOptions({ port, host })),
        upgrades: new UpgradeServer(),
      };
    }
  }

  get url(): string | undefined {
    const server = this.#own?.upgrades.server ?? this.#options.server;
    if (!server || !isHttpServer(server)) return undefined;
    const bound = server.address();
    if (!bound || typeof bound === 'string') return undefined;
    const scheme = 'setSecureContext' in server ? 'wss' : 'ws';
    const authority = describeAddress({ host: bound.address, port: bound.port });
    return `${scheme}://${authority}${this.#options.path ?? '/'}`;
  }

  async open(handlers: ListenerHandlers): Promise<void> {
    this.#handlers = handlers;
    const server = this.#own?.upgrades.server ?? this.#options.server;
    if (server && !isHttpServer(server)) {
      this.#listenTo(server, 'connection', (socket: WebSocketLike, request?: UpgradeRequestLike) => {
        this.#connection(socket, request);
      });
      return;
    }
    const ws = await findWs();
    if (!ws) {
      throw new K4netError('K4NET_UNSUPPORTED', 'listen for WebSockets needs the package ws: npm install ws');
    }
    const upgrader = new ws.WebSocketServer(
      withOptions({ ...wsOptions, noServer: true, clientTracking: false }),
    );
    if (server) {
      this.#listenTo(server, 'upgrade', (request: NodeRequest, socket: NodeSocket, head: UpgradeHead) => {
        this.#upgrade(server, upgrader, request, socket, head);
      });
    }
    if (this.#own) await this.#bind(this.#own);
  }

  async close(): Promise<void> {
    this.#removeListener?.();
    await this.#own?.upgrades.close();
  }

  ref(): void {
    this.#own?.upgrades.server.ref();
  }

  unref(): void {
    this.#own?.upgrades.server.unref();
  }

  #listenTo(
    server: HttpServerLike | WebSocketServerLike,
    event: string,
    listener: (...args: never[]) => void,
  ): void {
    server.on(event, listener);
    this.#removeListener = () => {
      server.off(event, listener as never);
    };
  }

  async #bind({
    upgrades: { server },
    address,
  }: {
    upgrades: UpgradeServer;
    address: Address;
  }): Promise<void> {
    try {
      await bindOnce(server, address);
    } catch (error) {
      throw listenError(error, `${describeAddress(address)} for WebSockets`);
    }
    server.on('error', (error) => {
      this.#report(error);
    });
  }

  #upgrade(
    server: HttpServerLike,
    upgrader: WebSocketServer,
    request: NodeRequest,
    socket: NodeSocket,
    head: UpgradeHead,
  ): void {
    this.#own?.upgrades.upgraded(socket);
    const { path, origins } = this.#options;
    if (path !== undefined && request.url?.replace(/\?.*$/s, '') !== path) {
      passOn(server, socket);
      return;
    }
    const { origin, host } = request.headers;
    if (!isAllowedOrigin(origin, host, origins)) {
      answer(socket, '403 Forbidden');
      const why = `a page of ${quoteText(origin ?? '')} may not connect: see 'origins' of webSocket`;
      this.#report(new K4netError('K4NET_CONNECTION', `the server refused a WebSocket: ${why}`));
      return;
    }
    let address: string | undefined;
    try {
      address = this.#addressOf(request);
    } catch (error) {
      answer(socket, '400 Bad Request');
      this.#report(error);
      return;
    }
    socket.setKeepAlive(true, keepAliveDelay);
    upgrader.handleUpgrade(request, socket, head, (accepted) => {
      this.#take(accepted, request, address);
    });
  }

  /** A `WebSocketServer` of the program has accepted. */
  #connection(socket: WebSocketLike, request: UpgradeRequestLike | undefined): void {
    try {
      this.#take(socket, request, request && this.#addressOf(request));
    } catch (error) {
      new WebSocketTransport(socket).abort();
      this.#report(error);
    }
  }

  /** @param given - the address that the program has found for the client. */
  #take(socket: WebSocketLike, request: UpgradeRequestLike | undefined, given: string | undefined): void {
    const transport = new WebSocketTransport(socket, given === undefined ? {} : { remoteAddress: given });
    // Only a socket of `ws` itself has an address, the request has one everywhere.
    const found = hostOf(transport.remoteAddress) || request?.socket.remoteAddress;
    const terminate = (): void => {
      (socket as { terminate?(): void }).terminate?.();
    };
    this.#handlers?.accept(incoming(transport, given ?? found, terminate));
  }

  #addressOf(request: UpgradeRequestLike): string | undefined {
    const { address } = this.#options;
    if (!address) return undefined;
    const found: unknown = address(request);
    if (typeof found === 'string' && found !== '') return found;
    // A promise is refused. Its rejection must not end the process.
    if (found instanceof Promise) void markHandled(found);
    const given = found === '' ? 'an empty string' : kindOf(found);
    throw new TypeError(`address of webSocket must return the address of the client, not ${given}`);
  }

  #report(error: unknown): void {
    this.#handlers?.report(error);
  }
}

/** How many listeners of this library have passed on a request, by its socket. */
const passes = new WeakMap<NodeSocket, number>();

/**
 * Leaves a request for another path to the other listeners of the server, and answers it if all of
 * them have passed it on: nothing else would ever close the connection.
 */
function passOn(server: HttpServerLike, socket: NodeSocket): void {
  const count = (passes.get(socket) ?? 0) + 1;
  passes.set(socket, count);
  if (count >= server.listenerCount('upgrade')) answer(socket, '404 Not Found');
  // Node removes its own listener, and a reset without one would end the process.
  else if (count === 1) socket.on('error', () => undefined);
}

/** Refuses a request for an upgrade. */
function answer(socket: NodeSocket, status: string): void {
  socket.on('error', () => undefined);
  socket.once('finish', () => {
    socket.destroy();
  });
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
