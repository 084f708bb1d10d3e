import { afterEach, describe, expect, it } from 'vitest';
import type { PeerAlertError } from '../lib/errors.js';
import { connect } from '../lib/net/connect.js';
import { QueueSocket } from '../lib/queue/queue-socket.js';
import { peerAlert } from '../lib/session/record/alerts.js';
import { LockedSocket } from '../lib/sockets/locked-socket.js';
import { memoryPair } from '../lib/transport/memory.js';
import { Ends, keys, rawServer } from './support/encrypted.js';
import { failure, fill } from './support/sockets.js';

const ends = new Ends();
afterEach(() => ends.clear());

function pair(): [LockedSocket, LockedSocket] {
  const [near, far] = memoryPair();
  const sockets: [LockedSocket, LockedSocket] = [new LockedSocket(near), new LockedSocket(far)];
  for (const sock of sockets) ends.onClear(() => sock.close(undefined, { timeout: 0 }));
  return sockets;
}

const message = async (promise: Promise<unknown>): Promise<string> =>
  (await failure(promise, 'K4NET_TIMEOUT')).message;

describe('a TimeoutError is a whole sentence', () => {
  it('of recv', async () => {
    const [sock] = pair();
    expect(await message(sock.recv({ timeout: 1 }))).toBe('no message came within 1 ms');
    expect(await message(sock.recv({ timeout: 0 }))).toBe('no message came at once (timeout: 0)');
  });

  it('of flush', async () => {
    const [sock] = pair();
    await fill(sock);
    expect(await message(sock.flush({ timeout: 1 }))).toBe('the messages were not written within 1 ms');
    expect(await message(sock.flush({ timeout: 0 }))).toBe(
      'the messages were not written at once (timeout: 0)',
    );
  });

  it.each([
    { timeout: 0, time: 'at once (timeout: 0)' },
    { timeout: 1, time: 'within 1 ms' },
  ])('of close with a timeout of $timeout', async ({ timeout, time }) => {
    const [sock] = pair();
    await sock.close(undefined, { timeout });
    const { error } = await sock.closed;
    expect(error?.message).toBe(`this side cut the connection: the peer did not end ${time}`);
  });

  it('of handshake and connect', async () => {
    const { client } = await ends.pair('memory');
    expect(await message(client.handshake({ timeout: 0 }))).toBe(
      'the handshake did not succeed at once (timeout: 0)',
    );
    const { port } = await rawServer(ends, () => undefined);
    const address = { host: '127.0.0.1', port, key: keys.server.publicKey };
    expect(await message(connect({ ...address, handshakeTimeout: 20, retry: false }))).toBe(
      'the handshake did not succeed (handshakeTimeout) within 20 ms',
    );
    expect(await message(connect({ ...address, timeout: 20 }))).toBe(
      `no connection to 127.0.0.1:${port} within 20 ms`,
    );
  });

  it('of call', async () => {
    const [near, far] = pair().map((sock) => new QueueSocket(sock));
    far?.registerCallback('never', () => new Promise(() => undefined));
    near?.start();
    far?.start();
    for (const [timeout, time] of [
      [0, 'at once (timeout: 0)'],
      [5, 'within 5 ms'],
    ] as const) {
      const calling = near?.call('never', '', { timeout }) ?? Promise.resolve();
      expect(await message(calling)).toBe(`'never' was not answered ${time}`);
    }
  });
});

describe('a PeerAlertError', () => {
  it.each([
    [10, 'busy'],
    [9, 'client-key-refused'],
    [77, 'alert 77'],
  ])('has a name for its number: %i is %s', (alert, reason) => {
    const error: PeerAlertError = peerAlert({ alert, app: 0, text: 'words', authenticated: true });
    expect(error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert, reason, text: 'words' });
    expect(error.message).toContain(reason);
  });
});
