// Client and server in one program of Node, Bun or Deno. The argument is the carrier.
import * as k4net from 'k4net';
import process from 'node:process';
import { runLocal } from './inside.js';

console.log(JSON.stringify(await runLocal(k4net, process.argv[2])));
