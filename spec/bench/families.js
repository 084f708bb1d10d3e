const library = [
  'LockedSocket',
  'LockedSocket-batches',
  'EncryptedSocket',
  'EncryptedSocket-batches',
  'EncryptedSocket-webcrypto',
  'QueueSocket',
  'QueueSocket-encrypted',
];
const encrypted = [
  'EncryptedSocket',
  'EncryptedSocket-batches',
  'EncryptedSocket-webcrypto',
  'QueueSocket-encrypted',
  'tls-framed',
  'tls-batch',
  'wss',
  'zeromq-curve',
  'secret-stream',
];

/** Whether the contestant is one of the library's own. */
export const isOurs = (name) => library.includes(name);

/** Whether what it sends is encrypted: those that are should be compared with each other. */
export const isEncrypted = (name) => encrypted.includes(name);
