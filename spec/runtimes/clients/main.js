// A client of Node, Bun or Deno. Its argument is JSON: the addresses of the server. Prints the report of
// the cases as JSON. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { runCases } from '../cases.js';

const { fingerprint, addresses } = JSON.parse(process.argv[2]);
const report = await runCases({
  k4net,
  open: k4net.connect,
  ...addresses,
  fingerprint,
  missing: [],
});
console.log(JSON.stringify(report));
