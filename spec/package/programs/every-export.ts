// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never
// run.
import {
  BinaryEditor,
  BinaryReader,
  BinaryWriter,
  checkKnownHost,
  connect,
  EncryptedSocket,
  EndOfDataError,
  fileKnownHosts,
  generateKeyPair,
  importKeyPair,
  importPublicKey,
  indexedDbKnownHosts,
  K4netError,
  type KeyPair,
  listen,
  LockedSocket,
  MalformedError,
  memoryKnownHosts,
  memoryPair,
  type PublicKey,
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
  type K4netErrorOf,
  type Carrier,
  type MessagePortLike,
  type NodeReadableLike,
  type NodeStreamPair,
  type NodeWritableLike,
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
  type PlainConnectOptions,
  type PlainListenOptions,
  type PublicKeySource,
  type ServerChoices,
  type SessionChoices,
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
