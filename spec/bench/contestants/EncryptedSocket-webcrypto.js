// An EncryptedSocket on WebCrypto, as in runtimes without a synchronous cipher.
import { encrypted } from '../library.js';

export * as roles from '../roles/sockets.js';
export const { listen, connect, close } = await encrypted('webcrypto');
