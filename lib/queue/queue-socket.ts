/// <reference lib="esnext.disposable" preserve="true" />
import type { BinaryReader } from '../binary/reader.js';
import { compile, type Messages } from '../codec/messages.js';
import { nextTurn } from '../platform/runtime.js';
import { checkedTimeout, type SendOptions } from '../sockets/locked-socket-options.js';
import type { CloseInfo, CloseOptions, MessageSocket, ReadyState } from '../sockets/message-socket.js';
import type { Peer } from '../sockets/peer.js';
import { longestMessage } from '../transport/framing/encoder.js';
import { toBytes, type Bytes } from '../util/bytes.js';
import { checkFunction } from '../util/options.js';
import { markHandled, rejected, rejectHandled, rejectUnhandled, type WaitOptions } from '../util/wait.js';
import type { AnswerDecoder, StreamCodecs } from './call.js';
import type {
  AnswerStream,
  CallbackOptions,
  CallOptions,
  Payload,
  PayloadConstructor,
  StreamOptions,
} from './call-types.js';
import type { DrainOptions } from './queue-life.js';
import { checkName, checkRaw, encodeRegistered, payloadBytes, registeredHead } from './envelope.js';
import { recipient, type Recipient } from './memberships.js';
import { QueueCore } from './queue-core.js';
import { queueStats, type QueueSocketStats } from './queue-stats.js';
import {
  checkedCallbackOptions,
  checkedQueueOptions,
  checkedCall,
  checkedQueueRecv,
  checkedStream,
  type CheckedQueueOptions,
  type QueueSocketOptions,
} from './queue-socket-options.js';
import { iterateReceived } from './receive-queue.js';
import { Tasks } from './tasks.js';
import { callEncoded, openStream } from './encoded-queue.js';
import { TypedQueueOf } from './typed-queue.js';
import type { Callback, QueueRecvOptions, QueueSocketLike, TypedQueue } from './types.js';

/**
 * Named messages, requests and answers over a message socket. A message goes to the callback that
 * is registered for its name; all other messages go to `recv`.
 *
 * Registered messages have the wire format of the Python library: "Queue messages" in
 * `docs/protocol.md`. Requests need this library at both ends.
 *
 * @example
 * ```ts
 * import { connect, listen, QueueSocket } from 'k4net';
 *
 * const server = await listen({ port: 0, ephemeralKey: true });
 * server.serve(async (sock) => {
 *   const queue = new QueueSocket(sock);
 *   queue.registerCallback('greet', (reader) => `Hello, ${reader.readString()}`);
 *   queue.start();
 *   await queue.closed;
 * });
 * const queue = new QueueSocket(await connect({ ...server.address(), pin: server.fingerprint }));
 * queue.start();
 * const answer = await queue.call('greet', (writer) => writer.writeString('Ada'));
 * console.log(new TextDecoder().decode(answer.read()));
 * await queue.close();
 * await server.close();
 * ```
 */
export class QueueSocket implements QueueSocketLike {
  readonly closed: Promise<CloseInfo>;
  readonly #socket: MessageSocket;
  readonly #options: CheckedQueueOptions;
  readonly #core: QueueCore;
  readonly #tasks: Tasks;
  #counted = 0;

  /**
   * @param socket - a {@link LockedSocket} or EncryptedSocket. The queue socket owns it from now
   * on: `send`, `recv`, loops and `end` of that socket reject with `K4NET_STATE`.
   * @throws TypeError for an unknown option, RangeError for an option out of its range,
   * `K4NET_STATE` for a socket that has an owner or a pending `recv`.
   */
  constructor(socket: MessageSocket, options?: QueueSocketOptions) {
    this.#options = checkedQueueOptions(options);
    this.#socket = socket;
    this.#core = new QueueCore(this, socket, this.#options);
    this.closed = this.#core.closed;
    this.#tasks = new Tasks(this, this.#options.log);
  }

  get readyState(): ReadyState {
    return this.#socket.readyState;
  }

  get peer(): Peer | undefined {
    return this.#socket.peer;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }

  get localAddress(): string {
    return this.#socket.localAddress;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  stats(): QueueSocketStats {
    return queueStats(this.#socket.stats(), this.#socket.bufferedAmount, this.#core);
  }

  registerCallback(name: string, callback: Callback, options?: CallbackOptions): void {
    checkFunction('the callback', callback);
    this.#core.dispatcher.register(checkName(name), callback, checkedCallbackOptions(options));
  }

  removeCallback(name: string): void {
    this.#core.dispatcher.remove(checkName(name));
  }

  registerTask(name: string, constructor: PayloadConstructor): void {
    this.#tasks.set(name, constructor);
  }

  removeTask(name: string): void {
    this.#tasks.remove(name);
  }

  start(): void {
    this.#core.start();
  }

  recvRegistered(): Promise<number> {
    try {
      this.#core.checkStarted();
      return markHandled(this.#recvRegistered());
    } catch (error) {
      return rejected(error);
    }
  }

  performTasks(): Promise<void> {
    return this.#tasks.perform();
  }

  sendRegistered(name: string, payload?: Payload, options?: SendOptions): Promise<void> {
    try {
      checkName(name);
      const bytes = payload instanceof Uint8Array ? payload : payloadBytes(payload);
      this.#options.log?.(`Sending registered ${name}`);
      if (options) return this.#send(encodeRegistered(name, bytes), options);
      const { closing, owned } = this.#core;
      return closing ? rejectHandled(closing) : owned.sendHeaded(registeredHead(name), bytes);
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  trySendRegistered(name: string, payload?: Payload): boolean {
    checkName(name);
    const bytes = payloadBytes(payload);
    if (this.#core.closing || !this.#core.owned.offer(registeredHead(name), bytes)) return false;
    this.#options.log?.(`Sending registered ${name}`);
    return true;
  }

  /** @internal */
  get [recipient](): Recipient {
    return this.#core;
  }

  call(name: string, payload?: Payload, options?: CallOptions): Promise<BinaryReader> {
    return this[callEncoded](name, payload, options) as Promise<BinaryReader>;
  }

  /** @internal */
  [callEncoded](
    name: string,
    payload: Payload | undefined,
    options: CallOptions | undefined,
    decoder?: AnswerDecoder,
    bodyCodec?: StreamCodecs['body'],
  ): Promise<unknown> {
    try {
      const { timeout = this.#options.callTimeout, signal, body } = checkedCall(options);
      const { calls, router } = this.#core;
      this.#core.checkStarted();
      checkName(name);
      const bytes = payload instanceof Uint8Array ? payload : payloadBytes(payload);
      if (bytes.length > longestMessage - 1024)
        throw new RangeError(`a payload of ${bytes.length} bytes exceeds the limit of 4 GiB - 1 KiB`);
      if (body !== undefined)
        return this[openStream](name, bytes, options, { answer: decoder, body: bodyCodec }, false).answer;
      this.#options.log?.(`Calling ${name}`);
      const answer = calls.call(name, bytes, timeout, signal, decoder);
      if (this.#options.manual) router.onCall();
      return answer;
    } catch (error) {
      return rejectUnhandled(error);
    }
  }

  stream(name: string, payload?: Payload, options?: StreamOptions): AnswerStream {
    return this[openStream](name, payloadBytes(payload), options, {}) as AnswerStream;
  }

  /** @internal */
  [openStream](
    name: string,
    payload: Bytes,
    options: StreamOptions | undefined,
    codecs: StreamCodecs,
    items: boolean = true,
  ): AnswerStream<unknown, unknown> {
    const { timeout = this.#options.callTimeout, ...given } = items
      ? checkedStream(options)
      : checkedCall(options);
    this.#core.checkStarted();
    checkName(name);
    this.#options.log?.(`Streaming ${name}`);
    const unset = { idleTimeout: Infinity, body: undefined, signal: undefined };
    const request = { name, timeout, ...unset, ...given, items, codecs };
    const stream = this.#core.streams.call(request, payload);
    if (this.#options.manual) this.#core.router.onCall();
    return stream;
  }

  typed<M extends Messages>(messages: M): TypedQueue<M> {
    return new TypedQueueOf<M, QueueSocketLike>(this, compile(messages));
  }

  recv(options: QueueRecvOptions & { readonly block: false }): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions & { readonly block?: true | undefined }): Promise<Bytes>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined>;
  recv(options?: QueueRecvOptions): Promise<Bytes | undefined> {
    try {
      const checked = checkedQueueRecv(options);
      this.#core.checkStarted();
      const { queue } = this.#core;
      const empty = queue.size() < 0 && !queue.over && checked.signal?.aborted !== true;
      if (!checked.block && empty) return Promise.resolve(undefined);
      return queue.receive(checked);
    } catch (error) {
      return rejected(error);
    }
  }

  send(data: Bytes | string, options?: SendOptions): Promise<void> {
    try {
      return this.#send(checkRaw(toBytes(data)), options);
    } catch (error) {
      return rejected(error);
    }
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.#socket.flush(options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes, void> {
    return iterateReceived(() => this.recv());
  }

  drain(options?: DrainOptions): Promise<void> {
    try {
      return this.#core.drain(checkedTimeout('drain', options));
    } catch (error) {
      return rejected(error);
    }
  }

  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void> {
    try {
      const timeout = checkedTimeout('close', options);
      const last = closingMessage === undefined ? undefined : checkRaw(toBytes(closingMessage));
      return this.#core.close(last, timeout);
    } catch (error) {
      return rejected(error);
    }
  }

  abort(cause?: unknown, options?: CloseOptions): Promise<void> {
    return this.#socket.abort(cause, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(message: Bytes, options?: SendOptions): Promise<void> {
    const { closing, owned } = this.#core;
    return closing ? rejectHandled(closing) : owned.send(message, options);
  }

  async #recvRegistered(): Promise<number> {
    const { dispatcher, over } = this.#core;
    const { started } = dispatcher.runner;
    const called = this.#options.manual ? 0 : started - this.#counted;
    this.#counted = started;
    if (over && called === 0 && !dispatcher.waiting) throw over;
    const released = this.#options.manual ? await dispatcher.manual.release() : 0;
    await new Promise<void>(nextTurn);
    return called + released;
  }
}
