// `socket.io` over WebSockets only: `emit` one way, acknowledgements for requests.
import 'bufferutil';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';

export * as driver from '../drivers/calls.js';

// The high-water mark of this benchmark: `emit` itself has no backpressure.
const highWaterMark = 1024;

class EmitConnection {
  onMessage = () => undefined;
  onCall = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #engine;

  constructor(socket, engine) {
    this.socket = socket;
    this.#engine = engine;
    // Later: the server drains between the two parts of a message.
    engine.on('drain', () => {
      queueMicrotask(() => this.onDrain());
    });
    socket.on('message', (message) => {
      this.onMessage(message);
    });
    socket.on('call', (message, answer) => {
      answer(this.onCall(message));
    });
  }

  send(message) {
    this.socket.emit('message', message);
    return this.#engine.writeBuffer.length < highWaterMark;
  }

  call(message, done) {
    this.socket.emit('call', message, (answer) => {
      done(null, answer);
    });
  }
}

export async function listen(accept) {
  const http = createServer();
  const server = new Server(http, {
    transports: ['websocket'],
    perMessageDeflate: false,
    maxHttpBufferSize: 16 * 1024 * 1024,
    serveClient: false,
  });
  server.on('connection', (socket) => accept(new EmitConnection(socket, socket.conn)));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { port: http.address().port };
}

export async function connect(port) {
  const socket = io(`ws://127.0.0.1:${port}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    perMessageDeflate: false,
  });
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return new EmitConnection(socket, socket.io.engine);
}

export const close = (connection) => connection.socket.disconnect(true);
