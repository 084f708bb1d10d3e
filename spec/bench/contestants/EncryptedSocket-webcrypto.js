// An EncryptedSocket on WebCrypto, as in runtimes without a synchronous cipher.
import { encryptedContestant } from '../encrypted-contestant.js';

export * as roles from '../socket-roles.js';
export const { listen, connect, close } = encryptedContestant('webcrypto');
