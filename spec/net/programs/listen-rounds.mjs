// Listens once for each line on stdin, which names the path, and prints the result. An empty
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
