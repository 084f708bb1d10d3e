// A QueueSocket over an encrypted socket: calls with a body, whose items are the messages one way.
import { encrypted, streaming } from '../library.js';

export * as driver from '../drivers/uploads.js';
export const { listen, connect, close } = streaming(await encrypted('auto'));
