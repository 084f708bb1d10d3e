import type { MessagePortLike } from '../../../lib/transport/message-port.js';
import type { WebSocketLike } from '../../../lib/transport/web-socket.js';
import type { WebStreamPair } from '../../../lib/transport/web-streams.js';

/** An event of a page or a worker. Which of the properties it has depends on its type. */
export interface ScopeEvent {
  readonly reason?: unknown;
  readonly error?: unknown;
  readonly data?: unknown;
}
export type Listener = (event: ScopeEvent) => void;

interface Port extends MessagePortLike {
  onmessage: Listener | null;
  postMessage(message: unknown): void;
}

/** The globals of a page or a worker that the tests use: spec/ is compiled without the DOM. */
export const scope = globalThis as unknown as {
  addEventListener(type: string, listener: Listener): void;
  removeEventListener(type: string, listener: Listener): void;
  readonly location: { readonly origin: string };
  readonly MessageChannel: new () => { readonly port1: Port; readonly port2: Port };
  readonly TransformStream: new () => WebStreamPair;
  readonly WebSocket: new (url: string) => WebSocketLike;
};
