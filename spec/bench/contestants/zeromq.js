// `zeromq` without encryption.
import { zeromq } from '../transports/zeromq.js';

export * as driver from '../drivers/async-callbacks.js';
export const { listen, connect, close } = zeromq({}, {});
