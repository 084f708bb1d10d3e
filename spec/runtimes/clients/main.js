// A client of Node, Bun or Deno. Its argument is JSON: the addresses of the server. Prints the report of
// the cases as JSON. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { runCases } from '../cases.js';
import { openOver } from './over-carrier.js';

// Node 20 has no WebSocket.
const WebSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
const openUrl = openOver(k4net, (address) => new WebSocket(address));
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
