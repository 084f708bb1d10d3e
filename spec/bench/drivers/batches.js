/** Operations for sockets of k4net, in loops over `batches()` that await once for many messages. */

/** Sends `count` messages; resolves when the contestant has accepted all. */
export async function sendMany(socket, message, count) {
  for (let i = 0; i < count; i += 1) {
    if (!socket.trySend(message)) await socket.send(message);
  }
}

/** Receives `count` messages. */
export async function receiveMany(socket, counter, count) {
  for await (const batch of socket.batches()) {
    for (const message of batch) counter.add(message);
    if (counter.messages === count) break;
  }
}

/** Sends `count` messages back. */
export async function echo(socket, counter, count) {
  for await (const batch of socket.batches()) {
    for (const message of batch) {
      counter.add(message);
      if (!socket.trySend(message)) await socket.send(message);
    }
    if (counter.messages === count) break;
  }
}

/** Sends `count` requests, `inFlight` at a time, and counts the answers. */
export async function requests(socket, message, count, inFlight, counter) {
  const first = Math.min(inFlight, count);
  let left = count - first;
  await sendMany(socket, message, first);
  for await (const batch of socket.batches()) {
    for (const answer of batch) {
      counter.add(answer);
      if (left === 0) continue;
      left -= 1;
      if (!socket.trySend(message)) await socket.send(message);
    }
    if (counter.messages === count) break;
  }
}
