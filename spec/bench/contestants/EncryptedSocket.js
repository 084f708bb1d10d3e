// An EncryptedSocket with the cipher that it chooses by itself.
import { encrypted } from '../library.js';

export * as driver from '../drivers/promises.js';
export const { listen, connect, close } = await encrypted('auto');
