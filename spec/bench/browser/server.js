// The server of the WebSockets, in a process of its own: `/<kind>/<build>` is what to answer with.
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { k4netChannel, webSocketChannel } from './channels.js';
import { serveRounds } from './rounds.js';

const [builds] = await once(process, 'message');
const libraries = new Map();
for (const [name, folder] of Object.entries(builds))
  libraries.set(name, await import(new URL('index.js', folder).href));
const key = await libraries.get('k4net').generateKeyPair({ keySize: 2048 });
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket, { url }) => {
  const [, kind, build] = url.split('/');
  if (kind === 'bare') return serveRounds(webSocketChannel(socket));
  const { EncryptedSocket, LockedSocket } = libraries.get(build);
  const options = { isServer: true, key: key.toPem() };
  return serveRounds(
    k4netChannel(kind === 'plain' ? new LockedSocket(socket) : new EncryptedSocket(socket, options)),
  );
});
await once(server, 'listening');
process.send({ url: `ws://127.0.0.1:${server.address().port}`, pin: key.publicKey.fingerprint });
process.on('disconnect', () => process.exit());
