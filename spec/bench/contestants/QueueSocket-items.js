// A QueueSocket over a plain socket: streaming calls, whose answers are the messages one way.
import { plain, streaming } from '../library.js';

export * as driver from '../drivers/streamed-items.js';
export const { listen, connect, close } = streaming(plain);
