// In a project without the package ws: its absence is an error that names it. Prints "ok".
import * as k4net from 'k4net';
import assert from 'node:assert/strict';

const { connect, K4netError, listen } = k4net;
const needsWs = (error) =>
  K4netError.is(error, 'K4NET_UNSUPPORTED') && error.message.includes('npm install ws');

const listening = listen({ webSocket: { port: 0 }, plain: true });
if (globalThis.Bun) await (await listening).close();
else await assert.rejects(listening, needsWs);

const connecting = connect('ws://127.0.0.1:9/', { plain: true, retry: false });
const fails = (error) => K4netError.is(error, 'K4NET_CONNECT');
await assert.rejects(connecting, globalThis.WebSocket ? fails : needsWs);
console.log('ok');
