// A client of Node, Bun or Deno. Its argument is JSON: the addresses of the server. Prints the report of
// the cases as JSON. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { runCases } from '../cases.js';

const { fingerprint, addresses } = JSON.parse(process.argv[2]);
const report = await runCases({
  k4net,
  open: (address, options) =>
    typeof address === 'string' ? openUrl(address, options) : k4net.connect({ ...address, ...options }),
  ...addresses,
  fingerprint,
  missing: [],
});
console.log(JSON.stringify(report));

async function openUrl(url, { plain, retry, ...options }) {
  const Socket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
  for (;;) {
    try {
      const socket = plain
        ? new k4net.LockedSocket(new Socket(url))
        : new k4net.EncryptedSocket(new Socket(url), options);
      await socket.handshake?.();
      return socket;
    } catch (error) {
      if (retry === false || !(error.code === 'K4NET_CONNECTION' || error.reason === 'busy')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
