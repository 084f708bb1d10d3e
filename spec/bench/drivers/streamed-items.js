/** Operations for queue sockets of k4net whose messages are the items of a streamed answer. */

/** Answers the streaming call of the peer with `count` items. */
export function sendMany(connection, message, count) {
  return new Promise((resolve) => {
    connection.answerItems(
      (async function* () {
        try {
          for (let i = 0; i < count; i += 1) yield message;
        } finally {
          // The receiver leaves its loop after the last item, perhaps before the next step.
          resolve();
        }
      })(),
    );
  });
}

/** Takes `count` items of a streaming call. */
export async function receiveMany(connection, counter, count) {
  for await (const item of await connection.items()) {
    counter.add(connection.bytesOf(item));
    if (counter.messages === count) break;
  }
}
