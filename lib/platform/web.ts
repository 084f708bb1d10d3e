import type * as node from './node.js';
import { allocatorWarmUp, type Detach, findTransfer, postTask, warnOnConsole } from './portable.js';

export { minFreedBytes, print } from './portable.js';

// The form of `#platform` for bundles with the condition "browser": it never looks for Node.
// `./node.ts` documents each export.

export const findBuiltin: typeof node.findBuiltin = () => undefined;

export const environment: typeof node.environment = () => undefined;

export const isNode: typeof node.isNode = () => false;

export const platform: typeof node.platform = () => '';

export const userId: typeof node.userId = () => undefined;

export const allowListeners: typeof node.allowListeners = () => undefined;

export const emitWarning: typeof node.emitWarning = warnOnConsole;

export const debugLog: typeof node.debugLog = () => undefined;

export const allocateUnsafe: typeof node.allocateUnsafe = (length) => new Uint8Array(length);

let detach: Detach | undefined;

export const freeBuffer: typeof node.freeBuffer = (buffer) => {
  if (!detach) {
    detach = findTransfer() ?? (() => undefined);
    detach(new ArrayBuffer(allocatorWarmUp));
  }
  detach(buffer);
};

export const nextTurn: typeof node.nextTurn = postTask;

export const afterTick: typeof node.afterTick = postTask;
