import * as connections from './connections.js';
import * as download from './download.js';
import * as idle from './idle.js';
import * as requests from './requests.js';
import * as rounds from './rounds.js';
import * as stream from './stream.js';
import * as typedCalls from './typed-calls.js';

/**
 * How two processes exchange messages. Each workload has:
 *
 * - `serve`, the server's side of one connection,
 * - `drive`, the client's side, which returns its connections and the counts of what it received,
 * - `expected`, the connections and messages that have to arrive at the server, and the answers at
 *   the client.
 */
export const workloads = { stream, download, requests, connections, rounds, idle, 'typed-calls': typedCalls };
