// A QueueSocket over a plain socket: calls with a body, whose items are the messages one way.
import { plain, streaming } from '../library.js';

export * as driver from '../drivers/uploads.js';
export const { listen, connect, close } = streaming(plain);
