import * as connections from './connections.js';
import * as idle from './idle.js';
import * as laps from './laps.js';
import * as requests from './requests.js';
import * as stream from './stream.js';

/** The ways to keep two processes busy. Each has the part of the server, of the client, and what has to arrive. */
export const kinds = { stream, requests, connections, laps, idle };
