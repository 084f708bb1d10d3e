import type { BinaryWriter } from '../binary/writer.js';

const brand: unique symbol = Symbol.for('k4net.call-error') as never;

/**
 * A callback throws it to answer a request with an error: the `RemoteError` of the caller has its
 * code, its message and its data. It is no failure of this side, so `onError` does not get it.
 *
 * Throws a TypeError or a RangeError for a code that is not 1 to 255 printable ASCII characters.
 * The message is cut to 1024 bytes on its way.
 *
 * @example
 * ```ts
 * import { CallError, codec, LockedSocket, memoryPair, QueueSocket } from 'k4net';
 *
 * const errors = { OUT_OF_STOCK: codec.struct({ left: codec.uint32 }) };
 * const messages = { buy: codec.request(codec.uint32, codec.nothing, { errors }) };
 * const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
 * const [client, server] = [near.typed(messages), far.typed(messages)];
 * server.registerCallback('buy', (count) => {
 *   if (count > 3) throw new CallError('OUT_OF_STOCK', 'only 3 are left', { left: 3 });
 * });
 * far.start();
 * near.start();
 * await client.call('buy', 5).catch((error: unknown) => {
 *   if (!client.isError(error, 'buy', 'OUT_OF_STOCK')) throw error;
 *   console.log(error.remoteMessage, error.data.left);
 * });
 * await near.close();
 * ```
 */
export class CallError extends Error {
  /** The code, such as `OUT_OF_STOCK`. */
  readonly code: string;
  /**
   * The data for the caller. For a callback with codecs: the value that the `errors` of its request
   * declare for this code. Otherwise a payload: bytes, text or a function that writes it.
   */
  readonly data: unknown;

  // The first signature gives the parameter of a function its type.
  constructor(code: string, message: string, data: (writer: BinaryWriter) => void);
  constructor(code: string, message: string, data?: unknown);
  constructor(code: string, message: string, data?: unknown) {
    super(message);
    this.code = checkErrorCode(code);
    this.data = data;
    Object.defineProperty(this, brand, { value: true });
  }

  override get name(): string {
    return 'CallError';
  }
}

/** Whether a value is a `CallError`, also one of another copy of the package. Never throws. */
export function isCallError(value: unknown): value is CallError {
  try {
    return value instanceof Error && brand in value;
  } catch {
    return false;
  }
}

/** Whether a failure can have this code: 1 to 255 printable ASCII characters. */
export function isErrorCode(code: string): boolean {
  return /^[\x20-\x7e]{1,255}$/.test(code);
}

/** Checks the code of an error of the program. */
export function checkErrorCode(code: string): string {
  if (typeof code !== 'string') throw new TypeError(`a code must be a string, not ${typeof code}`);
  if (isErrorCode(code)) return code;
  throw new RangeError(
    `a code must have 1 to 255 printable ASCII characters, which ${JSON.stringify(code)} has not`,
  );
}
