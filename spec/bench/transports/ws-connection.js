// Without this package `ws` masks in JavaScript, and gives no warning.
import 'bufferutil';

const highWaterMark = 1024 * 1024;

/** A WebSocket of `ws` with binary messages. */
export class WsConnection {
  onMessage = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #drained = () => {
    this.onDrain();
  };

  constructor(socket) {
    this.socket = socket;
    socket.on('message', (message) => {
      this.onMessage(message);
    });
    socket.on('error', (error) => {
      this.onError(error);
    });
  }

  send(message) {
    const ready = this.socket.bufferedAmount < highWaterMark;
    if (ready) this.socket.send(message);
    else this.socket.send(message, this.#drained);
    return ready;
  }
}

/** No compression, as in the other contestants. */
export const wsOptions = { perMessageDeflate: false };
