// A server of Node, Bun or Deno. Prints a line of JSON that says where it listens, and closes when
// its input ends. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { startServers } from '../services.js';
import { denoServe } from './deno-serve.js';
import { tcp, webSocket } from './listen.js';

const carriers = { TCP: tcp(k4net), WebSocket: webSocket(k4net) };
if (globalThis.Deno) carriers['Deno.serve'] = denoServe(k4net);
const { described, close } = await startServers(k4net, carriers);
console.log(JSON.stringify(described));
process.stdin.on('end', () => void close());
process.stdin.resume();
