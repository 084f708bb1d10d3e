import { memoryPair } from '../../../lib/transport/memory.js';
import { MessagePortTransport } from '../../../lib/transport/message-port.js';
import { toTransport } from '../../../lib/transport/to-transport.js';
import { WebSocketTransport, type WebSocketLike } from '../../../lib/transport/web-socket.js';
import type { TransportAbilities, TransportPair } from '../../conformance/transport-suite.js';
import { scope } from './scope.js';

/** A carrier of which one page or worker can have both ends. */
interface PageCarrier {
  /** The end of the titles of its tests. */
  readonly where: string;
  /** Opens two connected transports. */
  readonly open: () => Promise<TransportPair>;
  readonly abilities: TransportAbilities;
}

const memory: PageCarrier = {
  where: 'in memory',
  open: () => {
    const [near, far] = memoryPair();
    return Promise.resolve({ near, far });
  },
  abilities: { halfClose: true, reset: true, inFlight: 128 * 1024 },
};

const messagePort: PageCarrier = {
  where: 'over MessagePort',
  open: () => {
    const { port1, port2 } = new scope.MessageChannel();
    return Promise.resolve({ near: new MessagePortTransport(port1), far: new MessagePortTransport(port2) });
  },
  abilities: { halfClose: true, reset: true, inFlight: 256 * 1024 },
};

const here = Math.random();
let pairs = 0;

function opened(socket: WebSocketLike): Promise<unknown> {
  return new Promise((resolve) => {
    socket.addEventListener('open', resolve);
  });
}

const webSocket: PageCarrier = {
  where: 'over WebSocket',
  open: async () => {
    pairs += 1;
    // Other pages and workers have pairs with the same number.
    const url = `${scope.location.origin.replace('http', 'ws')}/${here}/${pairs}`;
    const sockets = [new scope.WebSocket(url), new scope.WebSocket(url)] as const;
    await Promise.all(sockets.map(opened));
    return { near: new WebSocketTransport(sockets[0]), far: new WebSocketTransport(sockets[1]) };
  },
  abilities: { halfClose: true, reset: true, inFlight: 256 * 1024 },
};

const webStreams: PageCarrier = {
  where: 'over Web Streams',
  open: () => {
    const [up, down] = [new scope.TransformStream(), new scope.TransformStream()];
    return Promise.resolve({
      near: toTransport({ readable: up.readable, writable: down.writable }),
      far: toTransport({ readable: down.readable, writable: up.writable }),
    });
  },
  abilities: { halfClose: true, reset: true, inFlight: 128 * 1024 },
};

export const carriers: readonly PageCarrier[] = [memory, messagePort, webSocket, webStreams];
