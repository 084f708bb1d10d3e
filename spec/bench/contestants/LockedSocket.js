// A plain LockedSocket: `for await` to receive, `await send()` to send.
import { plain } from '../library.js';

export * as driver from '../drivers/promises.js';
export const { listen, connect, close } = plain;
