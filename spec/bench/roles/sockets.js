/** The parts that a process plays, for the sockets of the library, as a user writes them. */

/** Sends `count` messages; resolves when all are handed over. */
export async function source(socket, message, count) {
  for (let i = 0; i < count; i += 1) await socket.send(message);
}

/** Receives `count` messages. */
export async function sink(socket, tally, count) {
  for await (const message of socket) {
    tally.add(message);
    if (tally.messages === count) break;
  }
}

/** Sends `count` messages back. */
export async function echo(socket, tally, count) {
  for await (const message of socket) {
    tally.add(message);
    await socket.send(message);
    if (tally.messages === count) break;
  }
}

/** Sends `count` messages, `inFlight` of them at a time without an answer. */
export async function requests(socket, message, count, inFlight, tally) {
  if (inFlight === 1) {
    while (tally.messages < count) {
      await socket.send(message);
      tally.add(await socket.recv());
    }
    return;
  }
  let left = count - Math.min(inFlight, count);
  for (let i = 0; i < Math.min(inFlight, count); i += 1) await socket.send(message);
  for await (const answer of socket) {
    tally.add(answer);
    if (tally.messages === count) break;
    if (left > 0) {
      left -= 1;
      await socket.send(message);
    }
  }
}
