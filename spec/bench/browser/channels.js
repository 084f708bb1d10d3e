// One interface for everything that is measured. It runs in pages, in workers and in Node.
//
// `send(message)` returns nothing if there is room for more, or a promise to wait for. The listener
// gets each message, and may return a promise: then the next message waits, if the channel can do
// that.

/** Bytes that may wait in a bare channel. */
const limit = 1024 * 1024;

const turns = 'document' in globalThis || !globalThis.setImmediate ? new MessageChannel() : undefined;

/** The next turn of the event loop, without the 4 ms of nested timers. */
function nextTurn() {
  return new Promise((resolve) => {
    if (!turns) return void setImmediate(resolve);
    turns.port1.onmessage = resolve;
    turns.port2.postMessage(0);
  });
}

/** A socket of k4net, in the way in which programs use it. */
export function k4netChannel(socket) {
  return {
    send: (message) => socket.send(message),
    async listen(listener) {
      for await (const message of socket) await listener(message);
    },
  };
}

/**
 * A bare WebSocket: of a browser, or of `ws`. It has no event for room, so a full one is looked at
 * each turn.
 */
export function webSocketChannel(socket) {
  async function room() {
    while (socket.bufferedAmount > limit) await nextTurn();
  }
  return {
    send(message) {
      socket.send(message);
      return socket.bufferedAmount > limit ? room() : undefined;
    },
    listen(listener) {
      if (socket.on) socket.on('message', (data) => void listener(data));
      else {
        socket.binaryType = 'arraybuffer';
        socket.onmessage = ({ data }) => void listener(new Uint8Array(data));
      }
    },
  };
}

/**
 * A bare port. It has no backpressure, so the receiver confirms each quarter of the limit by a
 * number: the least that keeps the memory of both sides bounded.
 */
export function portChannel(port) {
  let [unconfirmed, received, wake] = [0, 0, undefined];
  return {
    send(message) {
      port.postMessage(message);
      unconfirmed += message.length;
      return unconfirmed > limit ? new Promise((resolve) => (wake = resolve)) : undefined;
    },
    listen(listener) {
      const take = (data) => {
        if (typeof data === 'number') {
          unconfirmed -= data;
          if (unconfirmed <= limit) wake?.();
          return;
        }
        received += data.length;
        if (received > limit / 4) {
          port.postMessage(received);
          received = 0;
        }
        void listener(data);
      };
      if (port.on) port.on('message', take);
      else port.onmessage = ({ data }) => take(data);
    },
  };
}
