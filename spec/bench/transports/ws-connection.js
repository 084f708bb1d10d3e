// Without it `ws` masks in JavaScript, and says nothing of that.
import 'bufferutil';

const enough = 1024 * 1024;

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
    const ready = this.socket.bufferedAmount < enough;
    if (ready) this.socket.send(message);
    else this.socket.send(message, this.#drained);
    return ready;
  }
}

/** No compression: the other contestants have none. */
export const wsOptions = { perMessageDeflate: false };
