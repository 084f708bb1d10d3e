export {
  DecodeError,
  EndOfDataError,
  FileError,
  K4netError,
  KeyMismatchError,
  MalformedError,
  PeerAlertError,
  RemoteError,
  TimeoutError,
  TooLargeError,
} from './errors.js';
export type {
  DecodeErrorOptions,
  K4netErrorCode,
  K4netErrorOf,
  K4netErrorOptions,
  PeerAlert,
  SchemaIssue,
} from './errors.js';
export { CallError } from './codec/call-error.js';
export type { Bytes } from './util/bytes.js';
export type { AbortSignalLike, GivenAbortSignal, WaitOptions } from './util/wait.js';
export type { Sink, Transport } from './transport/transport.js';
export type {
  DuplexLike,
  NodeReadableLike,
  NodeStreamPair,
  NodeWritableLike,
} from './transport/duplex-like.js';
export type { Carrier } from './transport/to-transport.js';
export type {
  ReadableStreamLike,
  StreamPair,
  WebStreamPair,
  WritableStreamLike,
} from './transport/web-streams.js';
export type { MessagePortLike } from './transport/message-port.js';
export type { WebSocketLike } from './transport/web-socket.js';
export { memoryPair } from './transport/memory.js';
export { LockedSocket } from './sockets/locked-socket.js';
export type { LockedSocketOptions, RecvOptions, SendOptions } from './sockets/locked-socket-options.js';
export { EncryptedSocket, type EstablishedSocket } from './sockets/encrypted-socket.js';
export type {
  ClientChoices,
  EncryptedClientOptions,
  EncryptedServerOptions,
  EncryptedSocketOptions,
  ServerChoices,
  SessionChoices,
} from './sockets/encrypted-socket-options.js';
export type { ClientPeer, Peer } from './sockets/peer.js';
export type {
  CloseInfo,
  CloseOptions,
  MessageSocket,
  ReadyState,
  SocketStats,
} from './sockets/message-socket.js';
export type { MessageReadable, MessageWritable } from './sockets/stream-types.js';
export { QueueSocket } from './queue/queue-socket.js';
export type { CloseMessage, HeartbeatOptions, QueueSocketOptions } from './queue/queue-socket-options.js';
export type { QueueDepth, QueueSocketStats } from './queue/queue-stats.js';
export type {
  Callback,
  CallbackAnswer,
  CallbackContext,
  CallbackItems,
  QueueErrorInfo,
  QueueRecvOptions,
  QueueSocketLike,
  TypedQueue,
} from './queue/types.js';
export type { DrainOptions, QueueLife } from './queue/queue-life.js';
export type {
  AnswerStream,
  CallbackOptions,
  CallOptions,
  ContextOf,
  Payload,
  PayloadConstructor,
  StreamOptions,
} from './queue/call-types.js';
export type { Items, ItemStreamLike } from './queue/items.js';
export {
  generateKeyPair,
  importKeyPair,
  KeyPair,
  type GenerateKeyPairOptions,
  type KeyPairSource,
} from './crypto/key-pair.js';
export { importPublicKey, PublicKey, type PublicKeySource } from './crypto/public-key.js';
export { type CryptoKeyLike, type CryptoKeyPairLike } from './crypto/suite.js';
export type { CipherChoice } from './crypto/choose-backend.js';
export type { PaddingPolicy } from './session/record/padding.js';
export { fileKnownHosts, indexedDbKnownHosts } from './trust/stores.js';
export { checkKnownHost, memoryKnownHosts, type KnownHost, type KnownHosts } from './trust/known-hosts.js';
export { connect } from './net/connect.js';
export type { ConnectOptions, EncryptedConnectOptions, PlainConnectOptions, UrlLike } from './net/connect.js';
export type { DialingOptions, EncryptedDialingOptions } from './net/dialing.js';
export {
  fromChildProcess,
  fromParentProcess,
  type ChildProcessLike,
  type ProcessPipeOptions,
} from './net/child-process.js';
export { connectQueue } from './net/connect-queue.js';
export type { EncryptedConnectQueueOptions, PlainConnectQueueOptions } from './net/connect-queue.js';
export type { Callbacks, TypedQueueOptions } from './net/typed-queues.js';
export type { ServeQueueOptions } from './net/queue-handler.js';
export { listen } from './net/listen.js';
export type { EncryptedListenOptions, ListenOptions, PlainListenOptions } from './net/listen.js';
export type { EncryptedServingOptions, ServingOptions } from './net/serving.js';
export { Server, type AcceptOptions, type ServerCloseOptions } from './net/server.js';
export type { ConnectionHandler, HandlerContext, ServeOptions } from './net/handlers.js';
export type { Address, AddressOptions } from './net/address.js';
export type { RetryOptions } from './net/retry.js';
export type { WebSocketClass, WebSocketDialOptions } from './net/web-socket-options.js';
export type {
  HttpServerLike,
  UpgradeRequestLike,
  WebSocketListenOptions,
  WebSocketServerLike,
  WebSocketSource,
} from './net/web-socket-source.js';
export { BinaryReader } from './binary/reader.js';
export { BinaryWriter } from './binary/writer.js';
export { BinaryEditor, type BinaryEditorConstructor } from './binary/editor.js';
export { SEEK_CUR, SEEK_END, SEEK_SET, type SeekWhence } from './binary/cursor.js';
export type { StringEncoding } from './binary/encodings.js';
export type { RawStringOptions, StringOptions } from './binary/string-format.js';
export type { StructValue } from './binary/struct-format.js';
export * as codec from './codec/combinators.js';
export type {
  AnyCodec,
  Codec,
  OptionalCodec,
  PayloadType,
  SchemaResult,
  StandardSchema,
} from './codec/codec.js';
export type { Fields, StructCodec, StructInput, StructOutput } from './codec/struct.js';
export type { Cases, UnionInput, UnionOutput } from './codec/union.js';
export type { TupleInput, TupleOutput } from './codec/collections.js';
export { Group, type GroupMember, type GroupSendOptions } from './queue/group.js';
export type { SlowMember } from './queue/fan-out.js';
export type { JsonInput, JsonValue } from './codec/json.js';
export type { ErrorTypes, Messages, RequestType } from './codec/messages.js';
export type { TypedQueueOf } from './queue/typed-queue.js';
export type {
  AnswerOf,
  Arguments,
  CallbacksOf,
  DeclaredError,
  ErrorCode,
  ErrorName,
  ItemOf,
  MessageName,
  RequestName,
  StreamName,
  TypedCallback,
  TypedCallOptions,
  TypedContext,
  TypedStreamOptions,
} from './queue/typed-types.js';
