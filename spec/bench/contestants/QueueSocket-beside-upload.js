// A QueueSocket over a plain socket: `call` for requests, while an upload is under way.
import { plain, queued } from '../library.js';

export * as driver from '../drivers/calls-beside-upload.js';
export const { listen, connect, close } = queued(plain);
