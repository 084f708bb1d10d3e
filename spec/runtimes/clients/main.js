// A client of Node, Bun or Deno. Its argument is JSON: the addresses of the server, and
// whether to use the global class of WebSockets. Prints the report of
// the cases as JSON. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { runCases } from '../cases.js';
import { missingIn } from './missing.js';

const { fingerprint, addresses, globalClass } = JSON.parse(process.argv[2]);
// Node takes ws, which the project has, unless the program gives a class.
const chosen = globalClass ? { webSocket: { class: WebSocket } } : {};
const report = await runCases({
  k4net,
  open: (address, options) => k4net.connect(address, { ...options, ...chosen }),
  ...addresses,
  fingerprint,
  missing: missingIn(k4net),
});
console.log(JSON.stringify(report));
