// LockedSocket in loops over `batches()`, which send with `trySend` below the high-water mark.
export * as driver from '../drivers/batches.js';
export { listen, connect, close } from './LockedSocket.js';
