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
const { BinaryReader, BinaryWriter, EncryptedSocket, K4netError, LockedSocket, QueueSocket } = k4net;
const { connect, generateKeyPair, listen, memoryPair } = k4net;

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

const key = await generateKeyPair({ keySize: 2048 });
const clientKey = await generateKeyPair({ type: 'p256' });
const [left, right] = memoryPair();
const client = new EncryptedSocket(left, { pin: key.fingerprint, clientKey });
const server = new EncryptedSocket(right, { isServer: true, key, clientAuth: 'required' });
const [serverPeer, clientPeer] = await Promise.all([client.handshake(), server.handshake()]);
log('encrypted', serverPeer.how, clientPeer.fingerprint === clientKey.fingerprint);

const [asking, answering] = [client, server].map((socket) => new QueueSocket(socket));
let running = 0;
const double = async (reader) => {
  running += 1;
  const most = running;
  await new Promise((resolve) => setTimeout(resolve, 1));
  running -= 1;
  return `${reader.readUbyte() * 2} of ${most}`;
};
answering.registerCallback('double', double, { concurrency: 2 });
asking.start();
answering.start();
const answers = [1, 2, 3].map((number) => asking.call('double', (writer) => writer.writeUbyte(number)));
const texts = (await Promise.all(answers)).map((answer) => new TextDecoder().decode(answer.read()));
log('queue', texts.join(', '));
answering.registerCallback('echo', async function* (reader, { body }) {
  yield reader.read();
  for await (const item of body) yield item.read();
  return 'end';
});
const payload = new TextEncoder().encode('first');
const stream = asking.stream('echo', payload, { body: ['second'] });
payload.fill(0); // The caller may reuse it at once, also while the code of streams is loaded.
const items = [];
for await (const item of stream) items.push(new TextDecoder().decode(item.read()));
log('stream', items.join(' '), new TextDecoder().decode((await stream.answer).read()));
await Promise.all([asking.close(), answering.close()]);

const writer = new BinaryWriter();
writer.writeString('kanji 漢字');
log('binary', new BinaryReader(writer.data).readString());

const accepting = await listen({ webSocket: false, key });
const handling = accepting.serve(async (socket) => socket.send(await socket.recv()));
const [outer, inner] = memoryPair();
accepting.accept(outer);
const guest = new EncryptedSocket(inner, { pin: accepting.fingerprint });
await guest.send('accepted');
log(await guest.recvText(), accepting.urls.length);
await Promise.all([guest.close(), accepting.close(), handling]);

const report = async (name, promise) => {
  const failed = await promise.catch((error) => error);
  log(name, K4netError.is(failed) ? failed.code : failed);
};
for (const call of [connect, listen]) {
  for (const where of [{ port: 9 }, { path: '/tmp/k4net' }]) {
    await report(call.name, call({ ...where, plain: true }));
  }
}
for (const url of ['tcp://127.0.0.1:9', 'unix:/tmp/k4net']) await report(url, connect(url, { plain: true }));
await report('listen for WebSockets', listen({ webSocket: { port: 9 }, plain: true }));

// A page that is not a secure context.
for (const name of ['crypto']) Object.defineProperty(globalThis, name, { value: {} });
let dialled = false;
const options = {
  pin: key.fingerprint,
  webSocket: {
    class: class {
      constructor() {
        dialled = true;
      }
    },
  },
};
await report('insecure connect', connect('ws://127.0.0.1:9/', options));
await report('insecure listen', listen({ webSocket: false, key }));
log('dialled', dialled);

// The channel that stands in for setImmediate keeps a Node process alive.
exit(0);
