// A QueueSocket over an encrypted socket: `call` for requests, while an upload is under way.
import { encrypted, queued } from '../library.js';

export * as driver from '../drivers/calls-beside-upload.js';
export const { listen, connect, close } = queued(await encrypted('auto'));
