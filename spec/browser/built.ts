import { join } from 'node:path';
import type * as K4net from '../../lib/index.js';
import type { CryptoKeyPairLike, MessagePortLike, WebSocketLike } from '../../lib/index.js';
import { needDist, root } from '../support/dist.js';

needDist();

/** A page or a worker that has loaded the built package for pages without a bundler. */
export interface LibraryScope {
  readonly k4net: typeof K4net;
  readonly Worker: new (url: string, options: object) => MessagePortLike;
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
  ]),
};
