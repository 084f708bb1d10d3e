// A QueueSocket over an encrypted socket: streaming calls, whose items have a codec.
import { encrypted, typedStreaming } from '../library.js';

export * as driver from '../drivers/streamed-items.js';
export const { listen, connect, close } = typedStreaming(await encrypted('auto'));
