/**
 * Typed calls for WebSockets with JSON: a map of calls without an answer, as most programs have it.
 */
import { noteText } from '../measurement.js';

/** Answers `count` calls and counts as many notifications. */
export function serveTypedCalls({ socket }, counter, count) {
  return new Promise((resolve) => {
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString());
      if (message.type === 'note') {
        counter.addValue(message.text === noteText);
      } else {
        counter.addValue(message.b === 1);
        socket.send(JSON.stringify({ id: message.id, sum: message.a + message.b }));
      }
      if (counter.messages === 2 * count) resolve();
    });
  });
}

/** Returns a function that sends a notification, makes a call, and resolves with the sum. */
export function prepareTypedCalls({ socket }) {
  const pending = new Map();
  let lastId = 0;
  socket.on('message', (data) => {
    const answer = JSON.parse(data.toString());
    const resolve = pending.get(answer.id);
    pending.delete(answer.id);
    resolve(answer);
  });
  const call = (message) =>
    new Promise((resolve) => {
      lastId += 1;
      pending.set(lastId, resolve);
      socket.send(JSON.stringify({ id: lastId, ...message }));
    });
  return async (i) => {
    socket.send(JSON.stringify({ type: 'note', n: i, text: noteText }));
    const { sum } = await call({ type: 'add', a: i, b: 1 });
    return sum;
  };
}
