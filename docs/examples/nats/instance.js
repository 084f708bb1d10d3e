// One instance of the service, a process. Start as many as there is work for, on any machine that
// reaches a nats-server, with the same key.
//
//     NATS_URL=nats://127.0.0.1:4222 KEY=./factors INSTANCE=A node instance.js
import { connect } from '@nats-io/transport-node';
import { listenNats } from 'k4net/nats';
import { messages, service } from './messages.js';

const { NATS_URL = 'nats://127.0.0.1:4222', KEY = './factors', INSTANCE = String(process.pid) } = process.env;

// It looks for NATS forever, so that the instance outlives each nats-server.
const nc = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
const server = await listenNats(nc, service, {
  keyPath: KEY,
  version: '1.0.0',
  metadata: { instance: INSTANCE },
  onError: (error) => {
    if (process.env.DEBUG) console.error(String(error)); // A client that failed; the others go on.
  },
});

let calls = 0;
const served = server.serveQueue({
  messages,
  callbacks: {
    factors(number) {
      calls += 1;
      return { instance: INSTANCE, factors: factorsOf(number) };
    },
    load: () => ({ instance: INSTANCE, calls }),
    crash: () => process.kill(process.pid, 'SIGKILL'),
  },
});

// Calls under way get their answers; new sessions go to the other instances.
let closing;
async function close() {
  await server.close();
  await served;
  await nc.drain().catch(() => nc.close()); // NATS may be away.
  if (process.connected) process.disconnect();
}
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    closing ??= close();
  });

// The program that has started this process waits for it. If that ends, so does this process.
process.send?.({ id: server.id, fingerprint: server.fingerprint });
process.on('disconnect', () => {
  closing ??= close();
});

function factorsOf(number) {
  const factors = [];
  let rest = number;
  for (let divisor = 2; divisor * divisor <= rest; divisor += divisor === 2 ? 1 : 2) {
    for (; rest % divisor === 0; rest /= divisor) factors.push(divisor);
  }
  if (rest > 1) factors.push(rest);
  return factors;
}
