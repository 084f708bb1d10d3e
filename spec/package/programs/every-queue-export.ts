// Type-checked against the packed package, with neither Node's types nor the DOM's. It is never
// run.
import type { BinaryReader, EncryptedSocket, K4netError, LockedSocket, Server } from 'k4net';
import {
  CallError,
  codec,
  connectQueue,
  DecodeError,
  FileError,
  fromChildProcess,
  fromParentProcess,
  KeyMismatchError,
  PeerAlertError,
  QueueSocket,
  RemoteError,
  type AbortSignalLike,
  type DeclaredError,
  type ErrorCode,
  type ErrorName,
  type ErrorTypes,
  type EstablishedSocket,
  type GivenAbortSignal,
  type CallbackAnswer,
  type ChildProcessLike,
  type MessageReadable,
  type MessageWritable,
  type ProcessPipeOptions,
  type CloseInfo,
  type Transport,
  type PeerAlert,
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
  Group,
  type GroupMember,
  type GroupSendOptions,
  type SlowMember,
} from 'k4net';

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
  const sending: GroupSendOptions & { readonly slow: SlowMember } = { except: [queue], slow: 'close' };
  for (const member of new Group().add(queue))
    await new Group().add(member satisfies GroupMember).send('a', 'b', sending);
  await queue.flush();
  await queue.close('bye', { timeout: 1 });
  await queue[Symbol.asyncDispose]();
  const info: CloseInfo = await queue.closed;
  return [errors, count, either, perhaps, message, answer, depth, info, queue.readyState];
}

export function telling(error: unknown): string {
  if (error instanceof KeyMismatchError) return error.expected + error.actual;
  if (error instanceof FileError) return error.path;
  if (error instanceof RemoteError)
    return error.callback + error.remoteCode + error.remoteMessage + String(error.data);
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

export function declared(queue: QueueSocket, error: unknown): number | CallError {
  const errors = { FULL: codec.struct({ left: codec.int32 }), GONE: codec.nothing } satisfies ErrorTypes;
  const messages = { buy: codec.request(codec.string, codec.bool, { errors }) } satisfies Messages;
  const name: ErrorName<typeof messages> = 'buy';
  const code: ErrorCode<typeof messages.buy> = 'FULL';
  const view = queue.typed(messages);
  view.registerCallback(name, (item) => {
    throw new CallError(code, item, { left: 1 });
  });
  if (!view.isError(error, name, code)) return new CallError('OTHER', 'text');
  const known: DeclaredError<typeof messages.buy, 'FULL'> = error;
  return known.data.left;
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
  const api: TypedQueue<M> = await connectQueue('tcp://localhost:1', secret);
  const view: TypedQueueOf<M, QueueSocketLike> = api;
  const life: QueueLife = view;
  const context = {} as ContextOf<string>;
  return [server.serveQueue(serving), await connectQueue(plain), life.stats(), context.socket.length];
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
