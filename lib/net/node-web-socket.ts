import type * as Ws from 'ws';
import { K4netError } from '../errors.js';
import { isNode } from '../platform/runtime.js';
import { longestWindow } from '../transport/credit.js';
import { withOptions } from '../util/options.js';
import { create, givenWebSocket, noWebSocket, type CreateWebSocket } from './new-web-socket.js';
import type { CheckedDial } from './web-socket-options.js';

/**
 * Options of `ws` for both sides. No message of the credit layer is longer, and a compressed one
 * could be a bomb. A fragment of one byte takes 200 bytes of memory: only proxies make fragments.
 */
export const wsOptions: {
  readonly perMessageDeflate: false;
  readonly maxPayload: number;
  readonly maxFragments: number;
} = {
  perMessageDeflate: false,
  maxPayload: longestWindow + 1,
  maxFragments: 1024,
};

/** The package `ws`; undefined if it is not installed. */
export async function findWs(): Promise<typeof Ws | undefined> {
  try {
    return await import('ws');
  } catch {
    return undefined;
  }
}

/**
 * Chooses the class of WebSockets. Node takes `ws` where it is installed: it limits the length of a
 * message before it has one, takes headers and certificates, and says why it cannot connect. The
 * global class does none of that and is no faster. Bun and Deno take their own, which is native.
 *
 * Rejects with `K4NET_UNSUPPORTED` if there is none.
 */
export async function newWebSocket(options: CheckedDial): Promise<CreateWebSocket> {
  const given = givenWebSocket(options);
  if (options.class || (given && !isNode() && !options.options)) return given ?? missing();
  const ws = await findWs();
  if (ws) {
    const all = withOptions({ ...wsOptions, ...options.options });
    return (url) => create(ws.default, url, options.protocols, all);
  }
  if (options.options) {
    throw new K4netError(
      'K4NET_UNSUPPORTED',
      "'options' of webSocket are for the package ws: npm install ws, or set webSocket: { class }",
    );
  }
  return given ?? missing();
}

function missing(): never {
  throw noWebSocket('npm install ws, or set webSocket: { class } to a class of WebSockets');
}
