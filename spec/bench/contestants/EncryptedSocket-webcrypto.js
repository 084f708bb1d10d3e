// An EncryptedSocket on WebCrypto, as in runtimes without a synchronous cipher.
import { encrypted } from '../library.js';

export * as driver from '../drivers/promises.js';
export const { listen, connect, close } = await encrypted('webcrypto');
