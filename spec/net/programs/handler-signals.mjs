// Serves connections whose handlers each make a QueueSocket and listen on their signal, closes
// them, and prints how many of the queues are still in memory and how many signals have aborted.
// Usage: node --expose-gc handler-signals.mjs CONNECTIONS
import { connect, listen, QueueSocket } from '../../../dist/index.js';

const connections = Number(process.argv[2]);
const refs = [];
let aborted = 0;

const server = await listen({ port: 0, plain: true });
const served = server.serve(async (sock, { signal }) => {
  const queue = new QueueSocket(sock);
  refs.push(new WeakRef(queue));
  signal.addEventListener('abort', () => {
    aborted += 1;
    void queue.close();
  });
  queue.start();
  await queue.closed;
});

for (let nth = 0; nth < connections; nth += 1) {
  const sock = await connect({ plain: true, ...server.address() });
  await sock.close();
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
while (server.connections > 0 || refs.length < connections) await turn();
for (let round = 0; round < 5; round += 1) {
  await turn();
  globalThis.gc();
}
const kept = refs.filter((ref) => ref.deref()).length;
console.log(JSON.stringify({ served: refs.length, aborted, kept }));

await server.close();
await served;
