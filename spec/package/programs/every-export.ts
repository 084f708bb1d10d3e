// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never run.
import {
  BinaryEditor,
  BinaryReader,
  BinaryWriter,
  connect,
  EndOfDataError,
  K4netError,
  listen,
  LockedSocket,
  MalformedError,
  memoryPair,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
  Server,
  TimeoutError,
  TooLargeError,
  type AbortSignalLike,
  type Address,
  type AddressOptions,
  type BinaryEditorConstructor,
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
} from 'k4net';

export async function sockets(stream: DuplexLike, signal: AbortSignalLike): Promise<unknown[]> {
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
  const state: ReadyState = near.readyState;
  const stats: SocketStats = near.ref().unref().stats();
  await near.end();
  await near.close('bye', closing);
  await far[Symbol.asyncDispose]();
  const info: CloseInfo = await near.closed;
  const code: K4netErrorCode = info.code;
  const error: K4netError | undefined = info.error;
  return [messages, perhaps, text, state, stats.bytesSent, code, error?.cause, third.bufferedAmount];
}

export async function network(signal: AbortSignalLike): Promise<unknown[]> {
  const where: AddressOptions = { port: 0, host: '::1' };
  const listening: ListenOptions = {
    ...where,
    plain: true,
    maxPending: 1,
    onError: (error: unknown, socket?: LockedSocket) => [error, socket],
  };
  const server: Server = await listen(listening);
  const address: Address = server.address();
  const handler: ConnectionHandler = async (sock: LockedSocket, context: HandlerContext) => {
    await sock.recv({ signal: context.signal });
  };
  const serving: ServeOptions = { maxConnections: 1 };
  const served = server.serve(handler, serving);
  const retry: RetryOptions = { retries: 1, minDelay: 2, maxDelay: 3 };
  const connecting: ConnectOptions = { ...address, plain: true, retry, timeout: 1, signal };
  const sock: LockedSocket = await connect(connecting);
  for await (const socket of server) socket.remoteAddress.trim();
  const closing: ServerCloseOptions = { timeout: 1 };
  await server.ref().unref().close(closing);
  await server[Symbol.asyncDispose]();
  return [served, sock, server.connections, server instanceof Server];
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
  return new K4netError('K4NET_INTERNAL', 'else', options).code;
}

/** What somebody needs who brings a carrier of their own. */
export class Carrier implements Transport {
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
