// A QueueSocket over an encrypted socket: streaming calls, whose answers are the messages one way.
import { encrypted, streaming } from '../library.js';

export * as driver from '../drivers/streamed-items.js';
export const { listen, connect, close } = streaming(await encrypted('auto'));
