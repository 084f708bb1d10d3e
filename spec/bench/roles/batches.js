/** The parts that a process plays, for sockets of the library in loops that wait once for many messages. */

/** Sends `count` messages; resolves when all are handed over. */
export async function source(socket, message, count) {
  for (let i = 0; i < count; i += 1) {
    if (!socket.trySend(message)) await socket.send(message);
  }
}

/** Receives `count` messages. */
export async function sink(socket, tally, count) {
  for await (const batch of socket.batches()) {
    for (const message of batch) tally.add(message);
    if (tally.messages === count) break;
  }
}

/** Sends `count` messages back. */
export async function echo(socket, tally, count) {
  for await (const batch of socket.batches()) {
    for (const message of batch) {
      tally.add(message);
      if (!socket.trySend(message)) await socket.send(message);
    }
    if (tally.messages === count) break;
  }
}

/** Sends `count` messages, `inFlight` of them at a time without an answer. */
export async function requests(socket, message, count, inFlight, tally) {
  const first = Math.min(inFlight, count);
  let left = count - first;
  await source(socket, message, first);
  for await (const batch of socket.batches()) {
    for (const answer of batch) {
      tally.add(answer);
      if (left === 0) continue;
      left -= 1;
      if (!socket.trySend(message)) await socket.send(message);
    }
    if (tally.messages === count) break;
  }
}
