import { newWebSocket } from '#net';
import { K4netError, systemCode } from '../errors.js';
import type { Transport } from '../transport/transport.js';
import { WebSocketTransport, type WebSocketLike } from '../transport/web-socket.js';
import { escapeText } from '../util/escape.js';
import { startTimer, type Timer } from '../util/wait.js';
import { markTransient } from './retry.js';
import type { CheckedDial } from './web-socket-options.js';

/** Milliseconds to wait for the close code after an error. Node 22 has no close event then. */
const closeEventTime = 100;

interface ErrorEventLike {
  readonly error?: unknown;
  readonly message?: string;
}

/**
 * Opens a WebSocket. Rejects with `K4NET_CONNECT`, or with the reason of the signal.
 *
 * @param name - the URL without its query, for messages.
 */
export async function dialWebSocket(
  url: string,
  name: string,
  options: CheckedDial,
  signal: AbortSignal,
): Promise<Transport> {
  signal.throwIfAborted();
  const create = await newWebSocket(options);
  signal.throwIfAborted();
  let socket: WebSocketLike;
  try {
    socket = create(url);
  } catch (cause) {
    // Mixed content or an invalid protocol: another attempt would throw again.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new K4netError('K4NET_CONNECT', `no connection to ${name}: ${why}`, { cause });
  }
  return opened(socket, name, signal);
}

function opened(socket: WebSocketLike, name: string, signal: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    let failure: ErrorEventLike | undefined;
    let timer: Timer | undefined;
    const settle = (): void => {
      timer?.stop();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(signal.reason as Error);
      socket.close();
    };
    const failed = (code?: number): void => {
      settle();
      reject(dialError(name, code, failure));
    };
    signal.addEventListener('abort', onAbort);
    // The listeners stay: a socket of `ws` throws an error event that has no listener.
    socket.addEventListener('error', (event: ErrorEventLike) => {
      if (signal.aborted || failure) return;
      failure = event;
      timer = startTimer(failed, closeEventTime);
    });
    socket.addEventListener('close', ({ code }: { readonly code?: number }) => {
      failed(code);
    });
    socket.addEventListener('open', () => {
      settle();
      // In this event: a message that comes before the transport listens is lost.
      if (signal.aborted) socket.close();
      else resolve(new WebSocketTransport(socket));
    });
  });
}

function dialError(name: string, code: number | undefined, failure: ErrorEventLike = {}): K4netError {
  const { error: cause, message = '' } = failure;
  const said = systemCode(cause) || message || (cause instanceof Error ? cause.message : '');
  const why = said === '' ? 'the runtime gives no reason' : escapeText(said);
  const closeCode = code === undefined ? '' : ` (close code ${code})`;
  const error = new K4netError('K4NET_CONNECT', `no connection to ${name}: ${why}${closeCode}`, { cause });
  // Without a code of the system it may be a server that is not up yet. The message of `ws` has the
  // HTTP status, and a status below 500 is an answer.
  const status = Number(/response: (\d{3})$/.exec(said)?.[1] ?? 500);
  if (systemCode(cause) === '' && (status >= 500 || status === 429)) markTransient(error);
  return error;
}
