import { WebSocketServer } from 'ws';

/**
 * Connects WebSockets with each other: the first and the second that come with the same URL, then
 * the next two. So one page can have both ends of a connection.
 *
 * @param {import('node:http').Server} server
 */
export function relayWebSockets(server) {
  /** @type {Map<string | undefined, import('ws').WebSocket>} */
  const waiting = new Map();
  new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, { url }) => {
    const other = waiting.get(url);
    if (other) {
      waiting.delete(url);
      forward(socket, other);
      forward(other, socket);
      other.resume();
    } else {
      socket.pause();
      waiting.set(url, socket);
    }
  });
}

/** @type {(from: import('ws').WebSocket, to: import('ws').WebSocket) => void} */
function forward(from, to) {
  from.on('message', (data, binary) => to.send(data, { binary }));
  from.on('close', (code) => {
    // These two codes stand for a close frame without a code, and for none at all.
    if (code === 1006) to.terminate();
    else if (code === 1005) to.close();
    else to.close(code);
  });
}
