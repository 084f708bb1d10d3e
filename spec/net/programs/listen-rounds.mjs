// Listens once a round, at the path that a line on stdin names, and says what came of it. An empty
// line ends the round.
import { createInterface } from 'node:readline';
import { listen } from '../../../dist/index.js';

let server;
for await (const path of createInterface({ input: process.stdin })) {
  if (path === '') {
    await server?.close({ timeout: 0 });
    server = undefined;
    console.log('over');
    continue;
  }
  try {
    server = await listen({ path, plain: true, onError: () => undefined });
    server.serve((sock) => sock.send(String(process.pid)));
    console.log('listens');
  } catch (error) {
    console.log(error.code);
  }
}
