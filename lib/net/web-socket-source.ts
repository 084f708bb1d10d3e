import { kindOf } from '../util/bytes.js';
import {
  checkOptions,
  functionRule,
  stringRule,
  uncheckedRule,
  type Checked,
  type OptionTable,
} from '../util/options.js';

/** The part of a request of node:http that the library reads. */
export interface UpgradeRequestLike {
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** The part of an `http.Server` or `https.Server` that the library uses. */
export interface HttpServerLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: never): unknown;
  listenerCount(event: string): number;
  listen(...args: never[]): unknown;
  address(): { readonly address: string; readonly port: number } | string | null;
}

/** The part of a `WebSocketServer` of the package `ws` that the library uses. */
export interface WebSocketServerLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: never): unknown;
}

/** Options of {@link listen} for WebSockets. It needs `server` or `port`. */
export interface WebSocketListenOptions {
  /**
   * A server of the program, which stays open when the k4net server closes. A `WebSocketServer`
   * needs `maxPayload: 1048577` and `perMessageDeflate: false`: its defaults let a stranger take
   * 100 MiB with one message.
   */
  readonly server?: HttpServerLike | WebSocketServerLike | undefined;
  /** TCP port of a new HTTP server. 0 takes a free one: `server.urls` contains it. */
  readonly port?: number | undefined;
  /** Host of the port. Default `127.0.0.1`: only this machine can reach the server. */
  readonly host?: string | undefined;
  /** The path of the URL that clients must use, such as `/chat`. Default: every path. */
  readonly path?: string | undefined;
  /**
   * Origins of pages that may connect, such as `https://example.com`, or `*` for all. Others get
   * the status 403. Programs send no origin and are always allowed. Default: pages of the host that
   * the request is for.
   */
  readonly origins?: readonly string[] | '*' | undefined;
  /**
   * Returns the address of the client for `maxHandshakesPerAddress` and `remoteAddress`, for a
   * server behind a proxy. Trust only a header that the proxy always sets itself. Default: the
   * address of the connection.
   */
  address?(request: UpgradeRequestLike): string;
}

/** Where a server takes WebSockets from. */
export type WebSocketSource = HttpServerLike | WebSocketServerLike | WebSocketListenOptions;

type Unset = keyof WebSocketListenOptions;
export type CheckedSource = Checked<WebSocketListenOptions, Unset>;

const listenTable: OptionTable<WebSocketListenOptions, Unset> = {
  server: uncheckedRule(),
  port: uncheckedRule(),
  host: stringRule(),
  path: {
    fallback: undefined,
    check: (_name, value) => {
      if (typeof value === 'string' && /^\/[^?#]*$/.test(value)) return value;
      throw new TypeError(`path of webSocket must begin with '/' and have no '?' or '#': ${String(value)}`);
    },
  },
  origins: {
    fallback: undefined,
    check: (_name, value) => {
      const list: unknown = value;
      if (value === '*' || (Array.isArray(list) && list.every(isOrigin))) return value;
      throw new TypeError(
        `origins must be '*' or a list of origins such as 'https://example.com', without a path`,
      );
    },
  },
  address: functionRule(),
};

function isOrigin(value: unknown): boolean {
  return typeof value === 'string' && /^([a-z][a-z0-9+.-]*:\/\/[^/\s]*|null)$/.test(value);
}

/** @throws TypeError for an invalid option. */
export function checkSource(given: WebSocketSource): CheckedSource {
  if (typeof given === 'object' && (given as unknown) !== null && 'on' in given)
    return checkSource({ server: given });
  const options = checkOptions('webSocket of listen', given as WebSocketListenOptions, listenTable);
  const { server, port, host, path, origins } = options;
  if (server === undefined) {
    if (port === undefined) throw new TypeError("webSocket of listen needs 'server' or 'port'");
    return options;
  }
  if (port !== undefined || host !== undefined) {
    throw new TypeError("webSocket of listen takes 'server' or 'port' with 'host', not both");
  }
  if (typeof (server as Partial<HttpServerLike> | null)?.on !== 'function') {
    throw new TypeError(
      `server of webSocket must be an HTTP server or a WebSocketServer, not ${kindOf(server)}`,
    );
  }
  if (!isHttpServer(server) && (path !== undefined || origins !== undefined)) {
    throw new TypeError(
      "a WebSocketServer checks 'path' and 'origins' itself: set its own path and verifyClient",
    );
  }
  return options;
}

/** Whether a server is an HTTP server. A `WebSocketServer` has no `listen`. */
export function isHttpServer(server: HttpServerLike | WebSocketServerLike): server is HttpServerLike {
  return typeof (server as Partial<HttpServerLike>).listen === 'function';
}

/**
 * Whether a page may connect.
 *
 * @param host - the `Host` header of the request.
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[] | '*' | undefined,
): boolean {
  if (origin === undefined || allowed === '*') return true;
  if (allowed) return allowed.includes(origin);
  try {
    const page = new URL(origin);
    // In the same scheme, so that the default port counts as written.
    return page.host !== '' && page.host === new URL(`${page.protocol}//${host ?? ''}`).host;
  } catch {
    return false;
  }
}
