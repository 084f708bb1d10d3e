/** Operations for sockets of k4net, with `for await` and `await send()`, as in most programs. */

/** Sends `count` messages; resolves when the contestant has accepted all. */
export async function sendMany(socket, message, count) {
  for (let i = 0; i < count; i += 1) await socket.send(message);
}

/** Receives `count` messages. */
export async function receiveMany(socket, counter, count) {
  for await (const message of socket) {
    counter.add(message);
    if (counter.messages === count) break;
  }
}

/** Sends `count` messages back. */
export async function echo(socket, counter, count) {
  for await (const message of socket) {
    counter.add(message);
    await socket.send(message);
    if (counter.messages === count) break;
  }
}

/** Sends `count` requests, `inFlight` at a time, and counts the answers. */
export async function requests(socket, message, count, inFlight, counter) {
  if (inFlight === 1) {
    while (counter.messages < count) {
      await socket.send(message);
      counter.add(await socket.recv());
    }
    return;
  }
  let left = count - Math.min(inFlight, count);
  for (let i = 0; i < Math.min(inFlight, count); i += 1) await socket.send(message);
  for await (const answer of socket) {
    counter.add(answer);
    if (counter.messages === count) break;
    if (left > 0) {
      left -= 1;
      await socket.send(message);
    }
  }
}
