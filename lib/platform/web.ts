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

export const channelDescriptor: typeof node.channelDescriptor = () => undefined;

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

/** The turn has had a task of `afterTick`, and more than one. */
let hadTask = false;
let hadMore = false;

/**
 * There are no ticks. The first task after a quiet turn is a microtask, so that a single message
 * does not wait. Later ones wait for the turn, so that a program that sends many messages, each in
 * its own microtask, writes them together.
 */
export const afterTick: typeof node.afterTick = (task) => {
  if (hadTask) {
    hadMore = true;
    postTask(task);
    return;
  }
  hadTask = true;
  queueMicrotask(task);
  postTask(endTurn);
};

function endTurn(): void {
  hadTask = hadMore;
  hadMore = false;
  if (hadTask) postTask(endTurn);
}
