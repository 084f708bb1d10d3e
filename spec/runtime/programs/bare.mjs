// A runtime without the globals of Node: code without files and network works, the rest rejects.
const { log } = console;
const { exit } = process;
// Newer versions of Node load what is behind their own channels late, and that wants a Buffer.
await new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(0);
});
const names = ['process', 'Buffer', 'setImmediate', 'clearImmediate', 'global', 'require', 'module'];
for (const name of names) Object.defineProperty(globalThis, name, { value: undefined, configurable: true });

const k4net = await import('../../../dist/index.js');
const { BinaryReader, BinaryWriter, K4netError, LockedSocket, connect, listen, memoryPair } = k4net;

const [near, far] = memoryPair().map((transport) => new LockedSocket(transport));
const big = new Uint8Array(1_000_000).fill(7);
const receiving = (async () => {
  const sizes = [];
  for await (const message of far) sizes.push(message.length);
  return sizes;
})();
for (const message of ['', 'text', big]) await near.send(message);
await near.close('bye');
log('memory', (await receiving).join(' '));

const writer = new BinaryWriter();
writer.writeString('kanji 漢字');
log('binary', new BinaryReader(writer.data).readString());

for (const call of [connect, listen]) {
  for (const where of [{ port: 9 }, { path: '/tmp/k4net' }]) {
    const failed = await call({ ...where, plain: true }).catch((error) => error);
    log(call.name, K4netError.is(failed) ? failed.code : failed, failed.message.includes('node:net'));
  }
}

// The channel that stands in for setImmediate keeps a Node process alive.
exit(0);
