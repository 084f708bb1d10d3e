import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import * as errors from '../lib/errors.js';
import { K4netError, type K4netErrorCode, type K4netErrorOf, type PeerAlertError } from '../lib/errors.js';
import { connect } from '../lib/net/connect.js';
import { peerAlert } from '../lib/session/record/alerts.js';
import { root } from './support/dist.js';
import { useFixture } from './support/fixture.js';
import { keys } from './support/keys.js';
import { failure, fill } from './support/sockets.js';

/** The codes that stand for a class, as `K4netError.is` narrows them. */
const classes = {
  K4NET_TOO_LARGE: errors.TooLargeError,
  K4NET_TIMEOUT: errors.TimeoutError,
  K4NET_END_OF_DATA: errors.EndOfDataError,
  K4NET_KEY_MISMATCH: errors.KeyMismatchError,
  K4NET_PEER_ALERT: errors.PeerAlertError,
  K4NET_FILE: errors.FileError,
  K4NET_REMOTE: errors.RemoteError,
  K4NET_DECODE: errors.DecodeError,
};
type Classes = typeof classes;

describe('K4netError.is with a code', () => {
  it('narrows to the class of that code', () => {
    const error: unknown = new errors.KeyMismatchError('one', 'other');
    expect.assertions(1);
    if (K4netError.is(error, 'K4NET_KEY_MISMATCH')) {
      expectTypeOf(error).toExtend<errors.KeyMismatchError>();
      expectTypeOf(error.code).toEqualTypeOf<'K4NET_KEY_MISMATCH'>();
      expect(error.expected + error.actual).toBe('oneother');
    }
    expectTypeOf<{ [Code in keyof Classes]: K4netErrorOf<Code> }>().toExtend<{
      [Code in keyof Classes]: InstanceType<Classes[Code]>;
    }>();
  });

  it('narrows a code without a class of its own to that code', () => {
    const error: unknown = new K4netError('K4NET_CLOSED', 'x');
    expect.assertions(1);
    if (K4netError.is(error, 'K4NET_CLOSED')) {
      expectTypeOf(error.code).toEqualTypeOf<'K4NET_CLOSED'>();
      expectTypeOf(error).not.toExtend<errors.RemoteError>();
      expect(error.code).toBe('K4NET_CLOSED');
    }
  });

  it('narrows a variable code to every class that it can stand for', () => {
    const code = 'K4NET_FILE' as K4netErrorCode;
    const error: unknown = new errors.FileError('path', 'is not there');
    expect.assertions(1);
    if (K4netError.is(error, code) && error.code === 'K4NET_FILE') {
      expectTypeOf(error).toExtend<errors.FileError>();
      expect(error.path).toBe('path');
    }
  });
});

describe('K4netError.is without a code', () => {
  it('narrows to the base class', () => {
    const error: unknown = new errors.TimeoutError('x', 1);
    expect.assertions(1);
    if (K4netError.is(error)) {
      expectTypeOf(error).toEqualTypeOf<K4netError>();
      expect(error.code).toBe('K4NET_TIMEOUT');
    }
  });
});

describe('a code with a class', () => {
  it('is carried by errors of that class only, everywhere in the library', async () => {
    const lib = join(root, 'lib');
    const names = await readdir(lib, { recursive: true });
    const made: string[] = [];
    for (const name of names.filter((each) => each.endsWith('.ts'))) {
      const source = await readFile(join(lib, name), 'utf8');
      for (const [, code] of source.matchAll(/\bK4netError\(\s*(?:[^'(]*,\s*)?'(K4NET_\w+)'/g))
        made.push(code!);
    }
    expect(made).toContain('K4NET_MALFORMED');
    expect(made).toContain('K4NET_CONNECTION');
    expect(made.filter((code) => code in classes)).toEqual([]);
  });
});

const fixture = useFixture();

const message = async (promise: Promise<unknown>): Promise<string> =>
  (await failure(promise, 'K4NET_TIMEOUT')).message;

describe('a TimeoutError is a whole sentence', () => {
  it('for recv', async () => {
    const { near: sock } = await fixture.socketPair();
    expect(await message(sock.recv({ timeout: 1 }))).toBe('no message came within 1 ms (timeout)');
    expect(await message(sock.recv({ timeout: 0 }))).toBe('no message came at once (timeout: 0)');
  });

  it('for flush', async () => {
    const { near: sock } = await fixture.socketPair();
    await fill(sock);
    expect(await message(sock.flush({ timeout: 1 }))).toBe(
      'the messages were not written within 1 ms (timeout)',
    );
    expect(await message(sock.flush({ timeout: 0 }))).toBe(
      'the messages were not written at once (timeout: 0)',
    );
  });

  it.each([
    { timeout: 0, time: 'at once (timeout: 0)' },
    { timeout: 1, time: 'within 1 ms (timeout)' },
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
      'the handshake did not succeed within 20 ms (handshakeTimeout)',
    );
    expect(await message(connect({ ...address, timeout: 20 }))).toBe(
      `no connection to 127.0.0.1:${port} within 20 ms (timeout)`,
    );
  });

  it('for call', async () => {
    const { near, far } = await fixture.queuePair();
    far.registerCallback('never', () => new Promise(() => undefined));
    near.start();
    far.start();
    for (const [timeout, time] of [
      [0, 'at once (timeout: 0)'],
      [5, 'within 5 ms (timeout)'],
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
