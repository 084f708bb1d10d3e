// LockedSocket in loops over `batches()`, which send with `trySend` where nobody has to wait.
export * as driver from '../drivers/batches.js';
export { listen, connect, close } from './LockedSocket.js';
