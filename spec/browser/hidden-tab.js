// Measures the memory of a page whose tab is hidden while two servers send to it as fast as they
// can. One reader keeps up. The other waits for a timer after every 64 messages, which takes a
// second in a hidden tab, so it falls behind.
//
//     node spec/browser/hidden-tab.js [seconds] [--json]      60 seconds by default
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { EncryptedSocket, generateKeyPair } from '../../dist/index.js';
import { startDevtools } from './devtools.js';
import { startSite } from './site.js';

const size = 16_384;
const names = ['fast', 'slow'];

/**
 * The program of the page. It keeps the number of the next message of each socket, which it expects
 * in order.
 */
const program = (pin) => `(async () => {
  const { EncryptedSocket } = await import('/k4net/index.js');
  globalThis.next = {};
  globalThis.readers = ${JSON.stringify(names)}.map(async (name) => {
    const socket = new EncryptedSocket(new WebSocket(location.origin.replace('http', 'ws') + '/' + name), { pin: '${pin}' });
    globalThis.next[name] = 0;
    for await (const message of socket) {
      const number = new DataView(message.buffer, message.byteOffset).getUint32(0);
      if (number !== globalThis.next[name]) throw new Error(name + ': message ' + number + ' after ' + globalThis.next[name]);
      globalThis.next[name] += 1;
      if (name === 'slow' && number % 64 === 63) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await socket.close();
  });
})()`;

/**
 * @param {number} seconds - how long the tab is hidden.
 * @param {(line: string) => void} [log]
 */
async function measureHiddenTab(seconds, log = () => undefined) {
  const key = await generateKeyPair({ keySize: 2048 });
  const site = await startSite({ '/k4net/': fileURLToPath(new URL('../../dist/web/', import.meta.url)) });
  const sockets = new WebSocketServer({ server: site.server, perMessageDeflate: false });
  const chromium = await startDevtools();
  try {
    let stop = false;
    const sent = {};
    const senders = [];
    sockets.on('connection', (webSocket, { url }) => {
      const name = String(url).slice(1);
      senders.push(
        sendNumbers(new EncryptedSocket(webSocket, { isServer: true, key }), name, sent, () => stop),
      );
    });
    const tab = await chromium.openTab(`${site.origin}/`);
    await tab.until(`location.origin === '${site.origin}' && document.readyState === 'complete'`);
    const start = await liveMemory(tab);
    await tab.evaluate(program(key.publicKey.fingerprint));
    const other = await chromium.openTab('about:blank');
    await other.show();
    await tab.until("document.visibilityState === 'hidden'");

    const samples = [];
    const end = performance.now() + seconds * 1000;
    // At least so much, however slow the machine is: more than the page may hold.
    while (performance.now() < end || (await tab.evaluate('next.fast')) * size < 2 ** 26) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      samples.push(await liveMemory(tab));
      log(
        `${samples.at(-1).toFixed(1)} MiB live, messages read: ${JSON.stringify(await tab.evaluate('next'))}`,
      );
    }
    const whileHidden = await tab.evaluate('({ state: document.visibilityState, read: { ...next } })');
    stop = true;
    await tab.show();
    await tab.evaluate('Promise.all(readers).then(() => undefined)');
    await Promise.all(senders);
    const read = await tab.evaluate('next');
    return { state: whileHidden.state, whileHidden: whileHidden.read, sent, read, start, samples };
  } finally {
    for (const socket of sockets.clients) socket.terminate();
    await chromium.close();
    await site.close();
  }
}

async function sendNumbers(socket, name, sent, stopped) {
  const message = new Uint8Array(size);
  const view = new DataView(message.buffer);
  for (sent[name] = 0; !stopped(); sent[name] += 1) {
    view.setUint32(0, sent[name]);
    // The socket borrows a long message, so each is its own.
    await socket.send(message.slice());
  }
  await socket.end();
  await socket.closed;
}

/** MiB that a page holds after a garbage collection: objects and buffers. */
async function liveMemory(tab) {
  await tab.send('HeapProfiler.collectGarbage');
  const {
    usedSize,
    embedderHeapUsedSize = 0,
    backingStorageSize = 0,
  } = await tab.send('Runtime.getHeapUsage');
  return (usedSize + embedderHeapUsedSize + backingStorageSize) / 2 ** 20;
}

const seconds = Number(process.argv[2] ?? 60);
const asJson = process.argv.includes('--json');
const { state, whileHidden, sent, read, start, samples } = await measureHiddenTab(
  seconds,
  asJson ? undefined : console.log,
);
const readMib = ((whileHidden.fast + whileHidden.slow) * size) / 2 ** 20;
const mostMib = Math.max(...samples);
if (asJson) console.log(JSON.stringify({ state, readMib, mostMib, sent, read }));
else {
  console.log(`tab ${state} for ${seconds} s, ${readMib.toFixed(0)} MiB read meanwhile`);
  console.log(`live memory: ${start.toFixed(1)} MiB before, ${mostMib.toFixed(1)} MiB at most`);
  console.log(`sent ${JSON.stringify(sent)}, read in order ${JSON.stringify(read)}`);
}
