import { join } from 'node:path';
import type * as K4net from '../../lib/index.js';
import type { CryptoKeyPairLike, MessagePortLike, WebSocketLike } from '../../lib/index.js';
import { needDist, root } from '../support/dist.js';

needDist();

/** A page or a worker that has loaded the built package for pages without a bundler. */
export interface LibraryScope {
  readonly k4net: typeof K4net;
  readonly Worker: new (url: string, options: object) => MessagePortLike;
  readonly MessageChannel: new () => { readonly port1: MessagePortLike; readonly port2: MessagePortLike };
  readonly document: {
    readonly body: { append(element: object): void };
    createElement(name: 'iframe'): {
      src: string;
      readonly contentWindow: { postMessage(message: string, origin: string, transfer: object[]): void };
    };
  };
  addEventListener(type: 'message', listener: () => void, options: { once: true }): void;
  readonly WebSocket: new (url: string) => WebSocketLike;
  readonly crypto: {
    readonly subtle: {
      generateKey(algorithm: object, extractable: boolean, usages: string[]): Promise<CryptoKeyPairLike>;
    };
  };
}

/** The module that loads the package. */
export const libraryScript = '/place/library.js';

/** The routes of a site that serves it. */
export const libraryRoutes = {
  '/k4net/': join(root, 'dist/web'),
  '/place/': new Map([
    [
      'library.js',
      "import * as k4net from '/k4net/index.js'; Object.assign(globalThis, { k4net, placeReady: true });",
    ],
    [
      'echo-worker.js',
      "import { LockedSocket } from '/k4net/index.js'; const socket = new LockedSocket(self);" +
        ' for await (const message of socket) await socket.send(message);',
    ],
    [
      'echo-frame.html',
      "<script type=module>import { LockedSocket } from '/k4net/index.js';" +
        " addEventListener('message', async ({ ports: [port] }) => { const socket = new LockedSocket(port);" +
        ' for await (const message of socket) await socket.send(message); });' +
        " parent.postMessage('ready');</script>",
    ],
  ]),
};
