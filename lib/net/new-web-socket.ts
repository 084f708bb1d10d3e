import { K4netError } from '../errors.js';
import type { WebSocketLike } from '../transport/web-socket.js';
import type { CheckedDial, WebSocketClass } from './web-socket-options.js';

/** Makes a WebSocket that begins to connect. */
export type CreateWebSocket = (url: string) => WebSocketLike;

/** The class that the options give, or the global one; undefined if there is neither. */
export function givenWebSocket(options: CheckedDial): CreateWebSocket | undefined {
  const found = options.class ?? (globalThis as { readonly WebSocket?: WebSocketClass }).WebSocket;
  return found && ((url) => create(found, url, options.protocols, options.options));
}

/** Calls the constructor of a class. The third argument is left out if there is none. */
export function create(
  webSocket: WebSocketClass,
  url: string,
  protocols: CheckedDial['protocols'] = [],
  options: object | undefined,
): WebSocketLike {
  const rest = options === undefined ? [] : [options];
  return Reflect.construct(webSocket, [url, protocols, ...rest]) as WebSocketLike;
}

/** @param cure - the ways out, for the message. */
export function noWebSocket(cure: string): K4netError {
  return new K4netError('K4NET_UNSUPPORTED', `this runtime has no WebSocket: ${cure}`);
}
