/** Operations for queue sockets of k4net whose messages are the body of a call. */

/** Makes a call with `count` items as its body; resolves with the answer. */
export async function sendMany(connection, message, count) {
  await connection.upload(
    (async function* () {
      for (let i = 0; i < count; i += 1) yield message;
    })(),
  );
}

/** Takes the `count` items of the body of a call. */
export function receiveMany(connection, counter, count) {
  return new Promise((resolve) => {
    connection.onBody = async (items) => {
      for await (const item of items) counter.add(connection.bytesOf(item));
      if (counter.messages === count) resolve();
    };
  });
}
