// An EncryptedSocket with the cipher that it chooses by itself.
import { encrypted } from '../library.js';

export * as roles from '../roles/sockets.js';
export const { listen, connect, close } = await encrypted('auto');
