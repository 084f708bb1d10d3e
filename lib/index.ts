export { EndOfDataError, K4netError, MalformedError, TimeoutError, TooLargeError } from './errors.js';
export type { K4netErrorCode, K4netErrorOptions } from './errors.js';
export type { AbortSignalLike, WaitOptions } from './waiting.js';
export type { Sink, Transport } from './transport/transport.js';
export type { DuplexLike } from './transport/duplex.js';
export { memoryPair } from './transport/memory.js';
export { LockedSocket } from './sockets/locked-socket.js';
export type {
  CloseInfo,
  CloseOptions,
  LockedSocketOptions,
  ReadyState,
  RecvOptions,
  SendOptions,
  SocketStats,
} from './sockets/locked-socket.js';
