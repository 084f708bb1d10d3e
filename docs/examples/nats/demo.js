// Three instances of a service. A client calls them while one is killed and one is drained.
// Then it serves the page.
//
//     node demo.js              needs nats-server, in PATH or NATS_SERVER
//     PORT=8080 node demo.js    the page at this port instead of a free one
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { NatsService } from 'k4net/nats';
import { Instances } from './instances.js';
import { messages, service } from './messages.js';
import { findNatsServer, howToInstall, startNatsServer } from './nats-server.js';
import { site } from './site.js';
import { Traffic } from './traffic.js';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const size = 3;

if (findNatsServer() === undefined) {
  console.error(howToInstall);
  process.exit(1);
}

const stopped = new AbortController();
// npm passes a Ctrl-C on, so it may come twice.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stopped.abort());

const begin = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - begin) / 1000).toFixed(1).padStart(5)} s  ${text}`);

const folder = await mkdtemp(join(tmpdir(), 'k4net-demo-'));
const nats = await startNatsServer();
say(`nats-server (process ${nats.pid}) listens at ${nats.url}`);

const instances = new Instances({ NATS_URL: nats.url, KEY: join(folder, 'factors') });
instances.onStart = ({ label, pid }) => say(`instance ${label} (process ${pid}) listens`);
instances.onExit = ({ label }, cause) =>
  say(`instance ${label} has ended: ${cause === 0 ? 'drained' : cause}`);
const fingerprint = await instances.start();
await Promise.all(Array.from({ length: size - 1 }, () => instances.start()));

// With several sessions the calls reach several instances.
const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
const factors = new NatsService(nc, service, { pin: fingerprint, sessions: 8 });
const typed = factors.typed(messages);

try {
  await show();
  await servePage();
} catch (error) {
  if (!stopped.signal.aborted) throw error;
} finally {
  await factors.close();
  await nc.drain();
  await instances.close();
  await nats.stop();
  await rm(folder, { recursive: true });
  say('all has ended');
}

/** Calls, a killed instance, a drained one, and the sum. */
async function show() {
  const traffic = new Traffic(typed);
  traffic.onFailure = (error) => say(`a call failed: ${error.message}`);
  traffic.start();
  const lines = setInterval(answersOf(traffic), 500);
  try {
    await wait(2500);
    const killed = instances.running[1];
    say(`instance ${killed.label} (process ${killed.pid}) is killed`);
    killed.kill('SIGKILL');
    await wait(6000);
    const drained = instances.running[0];
    say(`instance ${drained.label} (process ${drained.pid}) gets SIGTERM: it answers its calls, and ends`);
    drained.kill('SIGTERM');
    await wait(2500);
  } finally {
    clearInterval(lines);
    await traffic.stop();
  }
  const { made, answered, failed, longest } = traffic;
  say(`${made} calls made, ${answered} answered, ${failed} lost; the longest took ${longest.toFixed(0)} ms`);
  const loads = [];
  for await (const { answer } of typed.callAll('load'))
    if (answer) loads.push(`${answer.instance} ${answer.calls}`);
  say(`calls that each instance there has answered: ${loads.sort().join(', ')}`);
}

/** Prints one letter for each share of the answers since the last time: the instance of it. */
function answersOf(traffic) {
  let last = performance.now();
  return () => {
    const answers = [...traffic.take()].sort();
    const total = answers.reduce((sum, [, count]) => sum + count, 0);
    const now = performance.now();
    const rate = Math.round((1000 * total) / (now - last));
    last = now;
    const bar = answers.map(([label, count]) => label.repeat(Math.round((count / total) * 48))).join('');
    say(`${String(rate).padStart(6)} calls/s  ${bar}`);
  };
}

async function servePage() {
  const server = await site({ servers: nats.webSocketUrl, pin: fingerprint });
  if (server === undefined) {
    say('no page: it needs esbuild, so install that first');
    return;
  }
  server.listen(Number(PORT), HOST);
  await once(server, 'listening');
  say(`the same in a page: http://${HOST}:${server.address().port}/ (Ctrl-C ends all)`);
  if (!stopped.signal.aborted) await once(stopped.signal, 'abort');
  server.close();
  server.closeAllConnections();
}

function wait(milliseconds) {
  return pause(milliseconds, undefined, { signal: stopped.signal });
}
