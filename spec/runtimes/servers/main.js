// A server of Node, Bun or Deno. Prints a line of JSON that says where it listens, and closes when its
// input ends. Then nothing may keep it alive.
import * as k4net from 'k4net';
import process from 'node:process';
import { startServers } from '../services.js';
import { tcp } from './tcp.js';

const { described, close } = await startServers(k4net, { tcp: tcp(k4net) });
console.log(JSON.stringify(described));
process.stdin.on('end', () => void close());
process.stdin.resume();
