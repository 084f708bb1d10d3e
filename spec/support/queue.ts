import { concatBytes, readU32 } from '../../lib/util/bytes.js';
import type { MessageHead } from '../../lib/transport/framing/encoder.js';
import {
  answerHead,
  controlHead,
  controlType,
  decodeControl as decodeOther,
  encodeRegistered,
  nameLength,
  requestHead,
  type Control,
} from '../../lib/queue/envelope.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { QueueErrorInfo } from '../../lib/queue/types.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import type { DuplexLike } from '../../lib/transport/duplex.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { keys } from './encrypted.js';
import type { SocketPair } from './sockets.js';
import { tcpPair } from './streams.js';

/** A request as one piece. */
export function encodeRequest(id: number, name: string, payload: Uint8Array): Uint8Array {
  return joined(requestHead(id, name), payload);
}

/** An answer as one piece. */
export function encodeAnswer(id: number, payload: Uint8Array): Uint8Array {
  return joined(answerHead(id), payload);
}

/** A request or an answer, as the router of a QueueSocket reads them. */
export type Exchange =
  | {
      readonly type: 'request';
      readonly id: number;
      readonly nameStart: number;
      readonly nameLength: number;
      readonly payload: Uint8Array;
    }
  | { readonly type: 'answer'; readonly id: number; readonly payload: Uint8Array };

/** Reads any control message. */
export function decodeControl(message: Uint8Array): Control | Exchange {
  const type = message[3];
  const exchange = type === controlType.request || type === controlType.answer;
  if (!exchange || message.length < controlHead) return decodeOther(message);
  const id = readU32(message, 4);
  if (type === controlType.answer) return { type: 'answer', id, payload: message.subarray(controlHead) };
  const length = nameLength(message, controlHead, message.length - controlHead);
  if (length < 0) return decodeOther(message);
  const payload = message.subarray(controlHead + length + 1);
  return { type: 'request', id, nameStart: controlHead, nameLength: length, payload };
}

/** A head and what follows it, as one message. */
export function joined({ bytes, length }: MessageHead, payload: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, length), payload]);
}

/** What a queue socket can be made over. */
export type QueueCarrier =
  'plain in memory' | 'plain over TCP' | 'encrypted in memory' | 'encrypted over TCP';
export const queueCarriers: readonly QueueCarrier[] = [
  'plain in memory',
  'plain over TCP',
  'encrypted in memory',
  'encrypted over TCP',
];

/** Two queue sockets joined to each other. */
export interface QueuePair {
  readonly near: QueueSocket;
  readonly far: QueueSocket;
  /** The sockets that they are made over. */
  readonly nearSocket: LockedSocket;
  readonly farSocket: LockedSocket;
  readonly cut: () => void;
}

export interface PairOptions {
  readonly near?: QueueSocketOptions;
  readonly far?: QueueSocketOptions;
  readonly sockets?: LockedSocketOptions;
}

/** The sockets of one test, and what takes them all away. */
export class QueueField {
  readonly #carrier: QueueCarrier;
  readonly #undo: (() => unknown)[] = [];

  constructor(carrier: QueueCarrier = 'plain in memory') {
    this.#carrier = carrier;
  }

  /** Two queue sockets that have not been started. */
  async pair({ near, far, sockets }: PairOptions = {}): Promise<QueuePair> {
    const pair = await this.sockets(sockets);
    return {
      near: new QueueSocket(pair.near, near),
      far: new QueueSocket(pair.far, far),
      nearSocket: pair.near,
      farSocket: pair.far,
      cut: pair.cut,
    };
  }

  /** Two queue sockets that have. */
  async started(options?: PairOptions): Promise<QueuePair> {
    const pair = await this.pair(options);
    pair.near.start();
    pair.far.start();
    return pair;
  }

  /** A queue socket, not started, and the bare socket at its other end. */
  async alone(
    options?: QueueSocketOptions,
    sockets?: LockedSocketOptions,
  ): Promise<{ queue: QueueSocket; peer: LockedSocket; cut: () => void }> {
    const { near, far, cut } = await this.sockets(sockets);
    return { queue: new QueueSocket(near, options), peer: far, cut };
  }

  /** Two sockets joined to each other, handshakes done. */
  async sockets(options: LockedSocketOptions = {}): Promise<SocketPair> {
    const { near, far, cut } = await this.#streams();
    const pair = this.#carrier.startsWith('plain')
      ? { near: new LockedSocket(near, options), far: new LockedSocket(far, options) }
      : await shaken(near, far, options);
    this.#undo.push(() =>
      Promise.all([pair.near.close(undefined, { timeout: 0 }), pair.far.close(undefined, { timeout: 0 })]),
    );
    return { ...pair, cut };
  }

  async clear(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async #streams(): Promise<{ near: DuplexLike | Transport; far: DuplexLike | Transport; cut: () => void }> {
    if (this.#carrier.endsWith('TCP')) {
      const { near, far, dispose } = await tcpPair();
      this.#undo.push(dispose);
      return { near, far, cut: () => near.resetAndDestroy() };
    }
    const [near, far] = memoryPair();
    return {
      near,
      far,
      cut: () => {
        near.abort();
      },
    };
  }
}

async function shaken(
  near: DuplexLike | Transport,
  far: DuplexLike | Transport,
  options: LockedSocketOptions,
): Promise<{ near: EncryptedSocket; far: EncryptedSocket }> {
  const client = new EncryptedSocket(near, { ...options, key: keys.server.publicKey });
  const server = new EncryptedSocket(far, { ...options, isServer: true, key: keys.server });
  await Promise.all([client.handshake(), server.handshake()]);
  return { near: client, far: server };
}

/** Options with an `onError` that writes down what it hears. */
export class Errors {
  readonly #heard: { error: unknown; info: QueueErrorInfo }[] = [];
  readonly onError = (error: unknown, info: QueueErrorInfo): void => {
    this.#heard.push({ error, info });
  };

  get heard(): readonly { readonly error: unknown; readonly info: QueueErrorInfo }[] {
    return this.#heard;
  }

  get kinds(): string[] {
    return this.#heard.map(({ info }) => `${info.kind} ${info.name}`);
  }
}

/** A registered message whose payload is text. */
export const registered = (name: string, text: string = ''): Uint8Array =>
  encodeRegistered(name, Uint8Array.from(Buffer.from(text)));

export const hex = (digits: string): Uint8Array =>
  Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
