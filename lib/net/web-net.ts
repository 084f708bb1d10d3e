import { K4netError } from '../errors.js';
import { givenWebSocket, noWebSocket } from './new-web-socket.js';
import type * as node from './node-net.js';

// The form of `#net` for browsers, which have neither TCP nor servers. `./node-net.ts` documents
// each export.

export const dialTcp: typeof node.dialTcp = () =>
  Promise.reject(unsupported('connect over TCP or a Unix socket'));

export const listenOn: typeof node.listenOn = () => {
  throw unsupported('listen on a port or path');
};

export const listenForWebSockets: typeof node.listenForWebSockets = () => {
  throw unsupported('listen for WebSockets');
};

export const childTransport: typeof node.childTransport = () => {
  throw unsupported('open a pipe between programs');
};

export const parentTransport: typeof node.parentTransport = childTransport as () => never;

export const newWebSocket: typeof node.newWebSocket = (options) => {
  const found = givenWebSocket(options);
  return found ? Promise.resolve(found) : Promise.reject(noWebSocket('set webSocket: { class }'));
};

function unsupported(what: string): K4netError {
  return new K4netError('K4NET_UNSUPPORTED', `the build for browsers cannot ${what}`);
}
