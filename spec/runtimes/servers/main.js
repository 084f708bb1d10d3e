// A server of Node, Bun or Deno. Prints a line of JSON that says where it listens, and closes when its
// input ends. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { startServers } from '../services.js';
import { denoServe } from './deno-serve.js';
import { tcp } from './tcp.js';
import { ws } from './ws.js';

const carriers = { tcp: tcp(k4net), ws: ws(k4net) };
if (globalThis.Deno) carriers['Deno.serve'] = denoServe(k4net);
const { described, close } = await startServers(k4net, carriers);
console.log(JSON.stringify(described));
process.stdin.on('end', () => void close());
process.stdin.resume();
