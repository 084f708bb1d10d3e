import { WebSocketTransport } from '../../lib/transport/web-socket.js';
import { describeTransport } from '../conformance/transport-suite.js';
import { webSocketPair } from '../support/web-sockets.js';

describeTransport(
  'a WebSocket',
  async () => {
    const { near, far, dispose } = await webSocketPair();
    return { near: new WebSocketTransport(near), far: new WebSocketTransport(far), dispose };
  },
  { halfClose: true, reset: true, inFlight: 256 * 1024 },
);
