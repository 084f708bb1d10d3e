// `zeromq` without encryption.
import { zeromq } from '../transports/zeromq.js';

export * as roles from '../roles/pushed.js';
export const { listen, connect, close } = zeromq({}, {});
