/** Operations for queue sockets of k4net that make calls while an upload is under way. */
import { echo as answerCalls, requests as makeCalls } from './queues.js';

const upload = 'upload';
const piece = new Uint8Array(64 * 1024);

/** Answers `count` calls with their argument, and reads the upload. */
export function echo(connection, counter, count) {
  connection.queue.registerCallback(upload, async (_, { body }) => {
    for await (const { remaining } of body)
      if (remaining !== piece.length) throw new Error('a piece is not whole');
  });
  return answerCalls(connection, counter, count);
}

/** Makes `count` calls, `inFlight` of them at a time, beside one upload without a pause. */
export async function requests(connection, message, count, inFlight, counter) {
  let isOver = false;
  const body = async function* () {
    while (!isOver) yield piece;
  };
  const answer = connection.queue.call(upload, '', { body: body() });
  await makeCalls(connection, message, count, inFlight, counter);
  isOver = true;
  await answer;
}
