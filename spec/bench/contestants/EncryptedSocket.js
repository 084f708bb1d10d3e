// An EncryptedSocket with the cipher that it chooses by itself.
import { encryptedContestant } from '../encrypted-contestant.js';

export * as roles from '../socket-roles.js';
export const { listen, connect, close } = encryptedContestant('auto');
