// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never
// run.
import {
  BinaryEditor,
  BinaryReader,
  BinaryWriter,
  checkKnownHost,
  codec,
  connect,
  connectQueue,
  DecodeError,
  EncryptedSocket,
  EndOfDataError,
  fileKnownHosts,
  FileError,
  fromChildProcess,
  fromParentProcess,
  generateKeyPair,
  importKeyPair,
  importPublicKey,
  indexedDbKnownHosts,
  K4netError,
  KeyMismatchError,
  type KeyPair,
  listen,
  LockedSocket,
  MalformedError,
  memoryKnownHosts,
  memoryPair,
  PeerAlertError,
  type PublicKey,
  QueueSocket,
  RemoteError,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
  Server,
  TimeoutError,
  TooLargeError,
  type AbortSignalLike,
  type AcceptOptions,
  type Address,
  type AddressOptions,
  type WebSocketSource,
  type WebSocketServerLike,
  type WebSocketListenOptions,
  type WebSocketDialOptions,
  type WebSocketClass,
  type UrlLike,
  type UpgradeRequestLike,
  type HttpServerLike,
  type BinaryEditorConstructor,
  type EstablishedSocket,
  type GivenAbortSignal,
  type K4netErrorOf,
  type CallbackAnswer,
  type Carrier,
  type ChildProcessLike,
  type MessagePortLike,
  type MessageReadable,
  type MessageWritable,
  type NodeReadableLike,
  type NodeStreamPair,
  type NodeWritableLike,
  type ProcessPipeOptions,
  type ReadableStreamLike,
  type StreamPair,
  type WebStreamPair,
  type WritableStreamLike,
  type WebSocketLike,
  type CloseInfo,
  type CloseOptions,
  type ConnectionHandler,
  type ConnectOptions,
  type DuplexLike,
  type HandlerContext,
  type K4netErrorCode,
  type K4netErrorOptions,
  type ListenOptions,
  type LockedSocketOptions,
  type RawStringOptions,
  type ReadyState,
  type RecvOptions,
  type RetryOptions,
  type SeekWhence,
  type SendOptions,
  type ServeOptions,
  type ServerCloseOptions,
  type Sink,
  type SocketStats,
  type StringEncoding,
  type StringOptions,
  type StructValue,
  type Transport,
  type WaitOptions,
  type CipherChoice,
  type ClientChoices,
  type ClientPeer,
  type CryptoKeyLike,
  type CryptoKeyPairLike,
  type EncryptedClientOptions,
  type EncryptedConnectOptions,
  type DialingOptions,
  type EncryptedDialingOptions,
  type EncryptedListenOptions,
  type EncryptedServingOptions,
  type ServingOptions,
  type EncryptedServerOptions,
  type EncryptedSocketOptions,
  type GenerateKeyPairOptions,
  type KeyPairSource,
  type KnownHost,
  type KnownHosts,
  type PaddingPolicy,
  type Peer,
  type PeerAlert,
  type PlainConnectOptions,
  type PlainListenOptions,
  type PublicKeySource,
  type ServerChoices,
  type SessionChoices,
  type Callback,
  type CallbackContext,
  type CallbackOptions,
  type CallOptions,
  type CloseMessage,
  type DrainOptions,
  type HeartbeatOptions,
  type MessageSocket,
  type Payload,
  type PayloadConstructor,
  type QueueDepth,
  type QueueErrorInfo,
  type QueueRecvOptions,
  type QueueSocketLike,
  type QueueSocketOptions,
  type QueueSocketStats,
  type AnyCodec,
  type Cases,
  type Codec,
  type DecodeErrorOptions,
  type Fields,
  type JsonInput,
  type JsonValue,
  type MessageName,
  type Messages,
  type OptionalCodec,
  type PayloadType,
  type RequestName,
  type RequestType,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  type StructCodec,
  type StructInput,
  type StructOutput,
  type TupleInput,
  type TupleOutput,
  type TypedCallback,
  type UnionInput,
  type UnionOutput,
  type Callbacks,
  type CallbacksOf,
  type ConnectQueueOptions,
  type ContextOf,
  type EncryptedConnectQueueOptions,
  type PlainConnectQueueOptions,
  type QueueLife,
  type ServeQueueOptions,
  type TypedQueue,
  type TypedQueueOf,
  type TypedQueueOptions,
  type AnswerStream,
  type CallbackItems,
  type ItemStreamLike,
  type Items,
  type StreamName,
  type StreamOptions,
  type TypedCallOptions,
  type TypedContext,
  type TypedStreamOptions,
} from 'k4net';

export const carriersOf = (webSocket: WebSocketLike, port: MessagePortLike): Carrier[] => [webSocket, port];

export const pairsOf = (
  webReadable: ReadableStreamLike,
  webWritable: WritableStreamLike,
  nodeReadable: NodeReadableLike,
  nodeWritable: NodeWritableLike,
): StreamPair[] => {
  const web: WebStreamPair = { readable: webReadable, writable: webWritable };
  const node: NodeStreamPair = { readable: nodeReadable, writable: nodeWritable };
  return [web, node];
};

export async function sockets(stream: Carrier, signal: AbortSignalLike): Promise<unknown[]> {
  const options: LockedSocketOptions = { recvSize: 1, maxSize: 2, highWaterMark: 3, allowHalfOpen: true };
  const [one, other]: [Transport, Transport] = memoryPair();
  const near = new LockedSocket(one, options);
  const far: LockedSocket = new LockedSocket(other);
  const third = new LockedSocket(stream);
  const sending: SendOptions = { signal };
  const receiving: RecvOptions = { maxSize: 1, timeout: 2, signal };
  const waiting: WaitOptions = { timeout: 1, signal };
  const closing: CloseOptions = { timeout: 1 };
  await near.send('text', sending);
  await near.send(new Uint8Array(1));
  await near.flush(waiting);
  const messages: Uint8Array[] = [await far.recv(receiving), await far.recv(1, 2), await far.recv()];
  const perhaps: Uint8Array | undefined = far.tryRecv();
  const text: string = await far.recvText(receiving);
  for await (const message of far) messages.push(message.slice());
  for await (const word of far.texts()) word.toUpperCase();
  for await (const batch of far.batches()) messages.push(...batch);
  const sent: boolean = near.trySend('text') && near.trySend(new Uint8Array(1));
  const state: ReadyState = near.readyState;
  const stats: SocketStats = near.ref().unref().stats();
  await near.end();
  await near.close('bye', closing);
  await far[Symbol.asyncDispose]();
  const info: CloseInfo = await near.closed;
  const code: K4netErrorCode = info.code;
  const error: K4netError | undefined = info.error;
  return [messages, perhaps, sent, text, state, stats.bytesSent, code, error?.cause, third.bufferedAmount];
}

export async function webSockets(
  httpServer: HttpServerLike,
  webSocketServer: WebSocketServerLike,
  ownClass: WebSocketClass,
  url: UrlLike,
): Promise<unknown[]> {
  const address = (request: UpgradeRequestLike): string => request.socket.remoteAddress ?? 'unknown';
  const options: WebSocketListenOptions = { server: httpServer, path: '/chat', origins: '*', address };
  const sources: WebSocketSource[] = [httpServer, webSocketServer, options];
  const servers = sources.map((webSocket) => listen({ webSocket, ephemeralKey: true }));
  const server: Server<EstablishedSocket> = await listen({ webSocket: false, ephemeralKey: true });
  const accepting: AcceptOptions = { address: '192.0.2.1' };
  server.accept(memoryPair()[0], accepting);
  const webSocket: WebSocketDialOptions = { class: ownClass, protocols: ['one'], options: {} };
  const sock: EstablishedSocket = await connect('wss://example.com/chat', { webSocket });
  const plain: LockedSocket = await connect(url, { plain: true });
  const urls: readonly string[] = server.urls;
  const bare: WebSocketLike = new ownClass('wss://example.com/', [] as never, {} as never);
  return [servers, sock, plain, urls, new LockedSocket(bare)];
}

export async function network(signal: AbortSignalLike): Promise<unknown[]> {
  const where: AddressOptions = { port: 0, host: '::1' };
  const serves: ServingOptions = {
    maxPending: 1,
    onError: (error: unknown, socket?: LockedSocket) => [error, socket],
  };
  const listening: ListenOptions = { ...where, ...serves, plain: true };
  const encrypts: EncryptedServingOptions = { ...serves, ephemeralKey: true };
  await (await listen({ ...where, ...encrypts })).close();
  const server: Server = await listen(listening);
  const address: Address = server.address();
  const handler: ConnectionHandler = async (sock: LockedSocket, context: HandlerContext) => {
    await sock.recv({ signal: context.signal });
  };
  const serving: ServeOptions = { maxConnections: 1 };
  const served = server.serve(handler, serving);
  const retry: RetryOptions = { retries: 1, minDelay: 2, maxDelay: 3 };
  const dials: DialingOptions = { retry, timeout: 1, signal };
  const pinned: EncryptedDialingOptions = { ...dials, pin: 'sha256:' };
  await connect({ ...address, ...pinned });
  const connecting: ConnectOptions = { ...address, ...dials, plain: true };
  const sock: LockedSocket = await connect(connecting);
  const either: LockedSocket = await eitherWay({ ...address, plain: true }, listening);
  for await (const socket of server) socket.remoteAddress.trim();
  const closing: ServerCloseOptions = { timeout: 1 };
  await server.ref().unref().close(closing);
  await server[Symbol.asyncDispose]();
  return [served, sock, either, server.connections, server instanceof Server];
}

/** Options that may be of either kind. */
async function eitherWay(connecting: ConnectOptions, listening: ListenOptions): Promise<LockedSocket> {
  const server: Server = await listen(listening);
  await server.serve(async (sock, { signal }) => {
    await sock.send(sock instanceof EncryptedSocket ? 'encrypted' : 'plain', { signal });
  });
  return connect(connecting);
}

export function binary(): unknown[] {
  const whence: SeekWhence = SEEK_SET;
  const encoding: StringEncoding = 'utf-8';
  const string: StringOptions = { size: 4, encoding, pad: 0 };
  const raw: RawStringOptions = { encoding: null };
  const writer = new BinaryWriter();
  writer.writeString('text', string);
  const reader = new BinaryReader(writer.data);
  const bytes: Uint8Array = reader.readString(raw);
  const values: StructValue[] = reader.readStruct('<I');
  const make: BinaryEditorConstructor = BinaryEditor;
  const editor: BinaryEditor = new make(bytes);
  return [reader.seek(0, whence), editor.seek(0, SEEK_CUR), editor.seek(0, SEEK_END), values];
}

export function errors(thrown: unknown): K4netErrorCode | undefined {
  const options: K4netErrorOptions = { cause: thrown };
  if (thrown instanceof TooLargeError) return thrown.code;
  if (thrown instanceof TimeoutError && thrown.timeout > 0) return thrown.code;
  if (thrown instanceof EndOfDataError && thrown.wanted > thrown.available) return thrown.code;
  if (thrown instanceof MalformedError && thrown.data.length > 0) return thrown.code;
  if (K4netError.is(thrown, 'K4NET_CLOSED')) return thrown.code;
  if (K4netError.is(thrown, 'K4NET_REMOTE') && thrown.remoteCode !== '') return thrown.code;
  if (K4netError.is(thrown, 'K4NET_KEY_MISMATCH')) {
    const mismatch: K4netErrorOf<'K4NET_KEY_MISMATCH'> = thrown;
    const code: 'K4NET_KEY_MISMATCH' = mismatch.code;
    return mismatch.actual === '' ? undefined : code;
  }
  return new K4netError('K4NET_INTERNAL', 'else', options).code;
}

/** A transport that the program implements. */
export class OwnTransport implements Transport {
  readonly remoteAddress = '';
  readonly localAddress = '';
  sink: Sink | undefined;

  attach(sink: Sink, surplus?: Uint8Array): void {
    this.sink = sink;
    if (surplus) sink.data(surplus);
  }

  resume(): void {
    this.sink?.drain();
  }

  write(parts: readonly Uint8Array[], done?: () => void): boolean {
    done?.();
    return parts.length === 0;
  }

  end(): void {
    this.sink?.end();
  }

  abort(cause?: K4netError): void {
    this.sink?.close(cause);
  }

  ref(): void {
    this.resume();
  }

  unref(): void {
    this.resume();
  }
}

export async function encryption(stream: DuplexLike, foreign: CryptoKeyLike): Promise<unknown[]> {
  const making: GenerateKeyPairOptions = { type: 'rsa', keySize: 3072 };
  const pair: KeyPair = await generateKeyPair(making);
  const pairSource: KeyPairSource = pair.toPem();
  const foreignPair: CryptoKeyPairLike = { privateKey: foreign, publicKey: foreign };
  const again: KeyPair = await importKeyPair(pairSource);
  const third: KeyPair = await importKeyPair(foreignPair);
  const publicSource: PublicKeySource = pair.publicKey.toPem();
  const publicKey: PublicKey = await importPublicKey(publicSource);
  const store: KnownHosts = memoryKnownHosts();
  const gone: boolean | undefined = await store.remove?.('example:1');
  const file: KnownHosts = fileKnownHosts('./known_hosts');
  const inBrowser: KnownHosts = indexedDbKnownHosts('my-app');
  const known: KnownHost | undefined = await inBrowser.get('example:1');
  if (known) checkKnownHost(known, publicKey.fingerprint);

  const padding: PaddingPolicy = 'block:64';
  const cipher: CipherChoice = 'auto';
  const session: SessionChoices = {
    padding,
    cipher,
    handshakeTimeout: 1,
    appProtocols: ['a'],
    recordLimit: 20_000,
  };
  const serving: ServerChoices = {
    key: [pair, pairSource],
    serverNames: ['name'],
    clientAuth: 'wanted',
    authorize: (client: ClientPeer) => client.fingerprint === publicKey.fingerprint,
  };
  const asking: ClientChoices = { pin: [publicKey.fingerprint], serverName: 'name', clientKey: third };
  const asServer: EncryptedServerOptions = { isServer: true, ...session, ...serving };
  const asClient: EncryptedClientOptions = { ...session, ...asking };
  const either: EncryptedSocketOptions = asServer;
  const socket = new EncryptedSocket(stream, either);
  const plain: LockedSocket = new EncryptedSocket(stream, asClient);
  const peer: Peer = await socket.handshake({ timeout: 1 });
  await socket.rekey();
  const exported: Uint8Array = await socket.export('label', new Uint8Array(0), 32);

  const listening: EncryptedListenOptions = { port: 0, ephemeralKey: true, ...session };
  const server: Server<EstablishedSocket> = await listen(listening);
  const loosely: Server = server;
  const connecting: EncryptedConnectOptions = { port: 1, knownHosts: file };
  const connected: EstablishedSocket = await connect(connecting);
  const connectedPeer: Peer = connected.peer;
  const plainListening: PlainListenOptions = { port: 0, plain: true };
  const plainServer: Server = await listen(plainListening);
  const plainConnecting: PlainConnectOptions = { port: 1, plain: true };
  const plainSocket: LockedSocket = await connect(plainConnecting);
  await server.serve(async (each) => {
    await each.send(each.peer.how);
  });
  return [
    again,
    plain,
    peer,
    exported,
    gone,
    server.fingerprint,
    server.fingerprints,
    connected,
    connectedPeer,
    loosely,
    plainServer,
    plainSocket,
    socket.sessionId,
  ];
}

export async function queues(plain: LockedSocket, encrypted: EncryptedSocket): Promise<unknown[]> {
  const heartbeat: HeartbeatOptions = { interval: 1, timeout: 2 };
  const errors: unknown[] = [];
  const last: CloseMessage = 'bye';
  const options: QueueSocketOptions = {
    debug: true,
    logger: (line: string) => errors.push(line),
    dispatch: 'manual',
    unmatched: 'error',
    heartbeat,
    onError: (error: unknown, { name, kind }: QueueErrorInfo) => errors.push(error, name, kind),
    onClose: (cause: K4netError | undefined) => (cause ? undefined : last),
    onTimeout: (socket: QueueSocketLike) => void socket.close(),
  };
  const below: MessageSocket = plain;
  const quietly: QueueSocketOptions = { onClose: () => void errors.push('closed') };
  const later: QueueSocketOptions = {
    onClose: async (cause) => {
      await Promise.resolve(cause);
    },
  };
  const queue = new QueueSocket(below, { ...options, ...quietly, ...later });
  const other: QueueSocket = new QueueSocket(encrypted);
  const constructor: PayloadConstructor = (writer) => {
    writer.writeInt(1);
  };
  const payloads: Payload[] = [new Uint8Array(1), 'text', constructor];
  const callback: Callback = (reader: BinaryReader, { socket, name, signal }: CallbackContext) => {
    const given: GivenAbortSignal = signal;
    const like: AbortSignalLike = given;
    const answer: CallbackAnswer = socket.readyState + name + reader.readString();
    return like.aborted ? undefined : answer;
  };
  const apart: CallbackOptions = { concurrency: 1, priority: 2 };
  queue.registerCallback('name', callback, apart);
  queue.registerCallback('name', callback, { ordered: true });
  other.registerCallback('name', async (reader) => Promise.resolve(reader.read()));
  // The compiler knows what the writer is from the type of the answer alone.
  other.registerCallback('name', () => (writer) => {
    writer.writeInt(1);
  });
  other.registerCallback('name', async (reader) => {
    await Promise.resolve();
    const value = reader.readInt();
    return (writer) => {
      writer.writeInt(value);
    };
  });
  other.registerCallback('name', async () => {
    await Promise.resolve();
  });
  // @ts-expect-error -- a number is no answer
  other.registerCallback('name', () => 1);
  // @ts-expect-error -- nor is the promise of one
  other.registerCallback('name', () => Promise.resolve(1));
  queue.removeCallback('name');
  queue.registerTask('name', constructor);
  queue.removeTask('name');
  queue.start();
  await queue.performTasks();
  const count: number = await queue.recvRegistered();
  for (const payload of payloads) await queue.sendRegistered('name', payload);
  await queue.send('text');
  const receiving: QueueRecvOptions = { block: true, maxSize: 1, timeout: 2 };
  const either: Uint8Array | undefined = await queue.recv(receiving);
  const perhaps: Uint8Array | undefined = await queue.recv({ block: false });
  const message: Uint8Array = await queue.recv();
  for await (const each of queue) each.slice();
  const calling: CallOptions = { timeout: 1 };
  const answer: BinaryReader = await other.call('name', 'payload', calling);
  const like: QueueSocketLike = other;
  const stats: QueueSocketStats = like.ref().unref().stats();
  const depth: QueueDepth = stats.requestQueue;
  const draining: DrainOptions = { timeout: 1 };
  await other.drain(draining);
  await queue.flush();
  await queue.close('bye', { timeout: 1 });
  await queue[Symbol.asyncDispose]();
  const info: CloseInfo = await queue.closed;
  return [errors, count, either, perhaps, message, answer, depth, info, queue.readyState];
}

export function telling(error: unknown): string {
  if (error instanceof KeyMismatchError) return error.expected + error.actual;
  if (error instanceof FileError) return error.path;
  if (error instanceof RemoteError) return error.callback + error.remoteCode + error.remoteMessage;
  if (error instanceof PeerAlertError) {
    const alert: PeerAlert = error;
    return `${alert.alert} ${alert.app} ${alert.text} ${String(alert.authenticated)}`;
  }
  return '';
}

export async function typed(queue: QueueSocket, schema: StandardSchema<string, number>) {
  const maybe: OptionalCodec<string> = codec.optional(codec.string);
  const fields = { a: codec.int32, b: maybe } satisfies Fields;
  const struct: StructCodec<typeof fields> = codec.struct(fields);
  const given: StructInput<typeof fields> = { a: 1 };
  const got: StructOutput<typeof fields> = codec.decode(struct, codec.encode(struct, given));
  const cases = { one: fields, none: {} } satisfies Cases;
  const union: Codec<UnionInput<'type', typeof cases>, UnionOutput<'type', typeof cases>> = codec.union(
    'type',
    cases,
  );
  const places = [codec.bool, struct] as const satisfies readonly AnyCodec[];
  const tuple: Codec<TupleInput<typeof places>, TupleOutput<typeof places>> = codec.tuple(places);
  const argument: PayloadType = schema;
  const request: RequestType = codec.request(argument, codec.nothing);
  const messages = { union, tuple, schema, ask: codec.request(codec.nothing, schema) } satisfies Messages;
  const sent: MessageName<typeof messages> = 'tuple';
  const asked: RequestName<typeof messages> = 'ask';
  const callback: TypedCallback<typeof schema, CallbackContext> = (value, { name }) => value.toFixed() + name;
  const view: TypedQueue<typeof messages> = queue.typed(messages);
  view.registerCallback('schema', callback);
  await view.sendRegistered(sent, [true, given]);
  const answer: number = await view.call(asked, undefined, { timeout: 1 });
  const result: SchemaResult<number> = { value: answer };
  return [got, request, result];
}

export function json(value: JsonValue): JsonValue {
  const given: JsonInput = { value, list: [1, 'a', null, true], left: undefined };
  return codec.decode(codec.json, codec.encode(codec.json, given));
}

export async function typedQueues(server: Server<EstablishedSocket>): Promise<unknown[]> {
  const messages = { add: codec.request(codec.int8, codec.int8), said: codec.string };
  type M = typeof messages;
  const callbacks: Callbacks<M> = { add: (value) => value + 1 };
  const same: CallbacksOf<M, QueueSocketLike> = callbacks;
  const options: TypedQueueOptions<M> = { messages, callbacks: (peer) => (peer.authenticated ? same : {}) };
  const serving: ServeQueueOptions<M, EstablishedSocket> = { ...options, onConnect: (api) => api.drain() };
  const plain: PlainConnectQueueOptions<M> = { port: 1, plain: true, messages };
  const secret: EncryptedConnectQueueOptions<M> = { port: 1, messages, callTimeout: 5 };
  const either: ConnectQueueOptions<M>[] = [plain, secret];
  const api: TypedQueue<M> = await connectQueue('tcp://localhost:1', secret);
  const view: TypedQueueOf<M, QueueSocketLike> = api;
  const life: QueueLife = view;
  const context = {} as ContextOf<string>;
  return [server.serveQueue(serving), either, life.stats(), context.socket.length];
}

export async function streaming(queue: QueueSocket, pages: ItemStreamLike<Payload>): Promise<unknown[]> {
  const items: Items<Payload> = pages;
  const rows = async function* (): CallbackItems {
    for await (const row of queue) yield row;
    return 'end';
  };
  queue.registerCallback('rows', rows);
  const options: StreamOptions = { idleTimeout: 1, body: items };
  const stream: AnswerStream = queue.stream('rows', 'payload', options);
  const messages = { rows: codec.stream(codec.string, codec.int32, { body: codec.bool }) } satisfies Messages;
  const name: StreamName<typeof messages> = 'rows';
  const calling: TypedCallOptions<typeof messages.rows> = { body: [true] };
  const typedOptions: TypedStreamOptions<typeof messages.rows> = { ...calling, idleTimeout: 1 };
  const bodyOf = (context: TypedContext<typeof messages.rows, CallbackContext>) => context.body.next();
  const numbers: AnswerStream<number, unknown> = queue.typed(messages).stream(name, 'all', typedOptions);
  return [await stream.answer, numbers, bodyOf];
}

export function undecoded(thrown: unknown): readonly SchemaIssue[] {
  if (thrown instanceof DecodeError && thrown.offset > 0) return thrown.issues;
  const options: DecodeErrorOptions = { messageName: undefined, offset: 0, path: '' };
  return new DecodeError('the payload', 'no reason', options).issues;
}

export function processes(child: ChildProcessLike, options: ProcessPipeOptions): readonly Transport[] {
  return [fromChildProcess(child, options), fromParentProcess({ fd: 4 })];
}

export async function streamsOf(socket: LockedSocket): Promise<boolean> {
  const [readable, writable]: [MessageReadable, MessageWritable] = [socket.readable(), socket.writable()];
  for await (const message of readable) writable.write(message);
  return readable.pipe(writable).end('last').writableFinished;
}
