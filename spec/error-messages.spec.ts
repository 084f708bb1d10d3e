import { describe, expect, it } from 'vitest';
import type { PeerAlertError } from '../lib/errors.js';
import { connect } from '../lib/net/connect.js';
import { peerAlert } from '../lib/session/record/alerts.js';
import { failure, fill } from './support/sockets.js';
import { keys } from './support/keys.js';
import { useFixture } from './support/fixture.js';

const fixture = useFixture();

const message = async (promise: Promise<unknown>): Promise<string> =>
  (await failure(promise, 'K4NET_TIMEOUT')).message;

describe('a TimeoutError is a whole sentence', () => {
  it('for recv', async () => {
    const { near: sock } = await fixture.socketPair();
    expect(await message(sock.recv({ timeout: 1 }))).toBe('no message came within 1 ms');
    expect(await message(sock.recv({ timeout: 0 }))).toBe('no message came at once (timeout: 0)');
  });

  it('for flush', async () => {
    const { near: sock } = await fixture.socketPair();
    await fill(sock);
    expect(await message(sock.flush({ timeout: 1 }))).toBe('the messages were not written within 1 ms');
    expect(await message(sock.flush({ timeout: 0 }))).toBe(
      'the messages were not written at once (timeout: 0)',
    );
  });

  it.each([
    { timeout: 0, time: 'at once (timeout: 0)' },
    { timeout: 1, time: 'within 1 ms' },
  ])('for close with a timeout of $timeout', async ({ timeout, time }) => {
    const { near: sock } = await fixture.socketPair();
    await sock.close(undefined, { timeout });
    const { error } = await sock.closed;
    expect(error?.message).toBe(`this side cut the connection: the peer did not end ${time}`);
  });

  it('for handshake and connect', async () => {
    const { client } = await fixture.encryptedPair('memory');
    expect(await message(client.handshake({ timeout: 0 }))).toBe(
      'the handshake did not succeed at once (timeout: 0)',
    );
    const { port } = await fixture.rawServer(() => undefined);
    const address = { host: '127.0.0.1', port, key: keys.server.publicKey };
    expect(await message(connect({ ...address, handshakeTimeout: 20, retry: false }))).toBe(
      'the handshake did not succeed within 20 ms',
    );
    expect(await message(connect({ ...address, timeout: 20 }))).toBe(
      `there was no connection to 127.0.0.1:${port} within 20 ms`,
    );
  });

  it('for call', async () => {
    const { near, far } = await fixture.queuePair();
    far.registerCallback('never', () => new Promise(() => undefined));
    near.start();
    far.start();
    for (const [timeout, time] of [
      [0, 'at once (timeout: 0)'],
      [5, 'within 5 ms'],
    ] as const) {
      expect(await message(near.call('never', '', { timeout }))).toBe(`'never' was not answered ${time}`);
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
