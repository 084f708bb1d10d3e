// In Deno without permissions: each is an error, and none ends the process. Prints "ok".
import * as k4net from 'k4net';
import assert from 'node:assert/strict';

const { connect, K4netError, listen } = k4net;
const failsWith = (code) => (error) => K4netError.is(error, code) && error.message.includes('--allow-net');

await assert.rejects(listen({ port: 0, plain: true }), failsWith('K4NET_LISTEN'));
await assert.rejects(connect({ port: 9, plain: true, retry: false }), failsWith('K4NET_CONNECT'));
await assert.rejects(connect('ws://127.0.0.1:9/', { plain: true, retry: false }), failsWith('K4NET_CONNECT'));
console.log('ok');
