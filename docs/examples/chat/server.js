// The server of the chat. It serves the page, and talks to it over a WebSocket at the same address.
//
//     node server.js                        a free port, the key in ./chat-server.sk
//     PORT=8080 KEY=/var/lib/chat/key node server.js
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { listen } from 'k4net';
import { limits } from './messages.js';
import { Chat } from './rooms.js';

const { HOST = '127.0.0.1', PORT = '0', KEY = './chat-server' } = process.env;

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
};

/** The files of the page, by the path of their URL. No other file can be requested. */
const files = new Map();
function add(path, url) {
  const type = types[url.pathname.split('.').at(-1)];
  if (type) files.set(path, { type, body: readFileSync(url) });
}
add('/', new URL('index.html', import.meta.url));
const scripts = ['chat', 'connection', 'dom', 'identity', 'keys', 'layout', 'log', 'messages'];
for (const name of [...scripts.map((script) => `${script}.js`), 'style.css', 'icon.svg'])
  add(`/${name}`, new URL(name, import.meta.url));
const library = new URL('.', import.meta.resolve('k4net/web'));
for (const name of readdirSync(library)) add(`/k4net/${name}`, new URL(name, library));

// The page runs no script but these files. Its import map is inline, so the policy has its hash.
const [, importMap] = /<script type="importmap">([^]*?)<\/script>/.exec(files.get('/').body);
const headers = {
  'Content-Security-Policy': [
    "default-src 'none'",
    `script-src 'self' 'sha256-${createHash('sha256').update(importMap).digest('base64')}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

const http = createServer((request, response) => {
  const file = files.get(request.url.split('?')[0]);
  response.writeHead(file ? 200 : 404, { ...headers, 'Content-Type': file?.type ?? 'text/plain' });
  response.end(file?.body ?? 'not found\n');
});

const server = await listen({
  webSocket: { server: http, path: '/chat' },
  keyPath: KEY,
  clientAuth: 'required',
  maxSize: limits.fromPage,
  onError: (error) => {
    if (process.env.DEBUG) console.error(String(error)); // A client that failed; the others go on.
  },
});
const chat = new Chat();
const served = server.serve((sock, context) => chat.talk(sock, context), { maxConnections: limits.clients });

http.listen(Number(PORT), HOST);
await once(http, 'listening');
console.log(`chat at http://${HOST}:${http.address().port}/`);
console.log(`key of the server: ${server.fingerprint}`);

let closing;
async function close() {
  http.close();
  await server.close({ timeout: 2_000 });
  http.closeAllConnections();
  await served;
}
// npm passes a Ctrl-C on, so it may come twice. Closing takes 2 seconds at most.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (closing ??= close()));
