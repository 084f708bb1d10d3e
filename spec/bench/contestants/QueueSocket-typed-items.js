// A QueueSocket over a plain socket: streaming calls, whose items have a codec.
import { plain, typedStreaming } from '../library.js';

export * as driver from '../drivers/streamed-items.js';
export const { listen, connect, close } = typedStreaming(plain);
