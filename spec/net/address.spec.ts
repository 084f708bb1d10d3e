import { describe, expect, it } from 'vitest';
import { connect, type PlainConnectOptions } from '../../lib/net/connect.js';
import { listen, type PlainListenOptions } from '../../lib/net/listen.js';
import { reasonOf } from '../support/sockets.js';

type Wrong = Readonly<Record<string, unknown>> | null | undefined | number;

const longPath = `/tmp/${'ü'.repeat(60)}`;

const both: [string, Wrong, string, RegExp][] = [
  ['a misspelt option', { plain: true, prot: 9000 }, 'TypeError', /'prot'.*port/],
  ['an option of nobody', { plain: true, port: 9000, encrypted: 1 }, 'TypeError', /'encrypted'/],
  ['no address', { plain: true }, 'TypeError', /'port' or 'path'/],
  ['a host alone', { plain: true, host: 'localhost' }, 'TypeError', /'port' or 'path'/],
  ['a path and a port', { plain: true, path: '/tmp/s', port: 1 }, 'TypeError', /'path' or 'port'.*not both/],
  [
    'a path and a host',
    { plain: true, path: '/tmp/s', host: 'h' },
    'TypeError',
    /'path' or 'port'.*not both/,
  ],
  ['an empty path', { plain: true, path: '' }, 'TypeError', /path must not be empty/],
  ['a path with a NUL', { plain: true, path: '/tmp/\0' }, 'TypeError', /NUL/],
  ['a path that is no string', { plain: true, path: 7 }, 'TypeError', /path.*number/],
  ['an empty host', { plain: true, port: 1, host: '' }, 'TypeError', /host must not be empty/],
  ['a host that is no string', { plain: true, port: 1, host: [] }, 'TypeError', /host.*array/],
  ['a port that is text', { plain: true, port: '80' }, 'TypeError', /port.*string/],
  ['a negative port', { plain: true, port: -1 }, 'RangeError', /port.*-1/],
  ['a port over 65535', { plain: true, port: 65_536 }, 'RangeError', /port.*65536/],
  ['a port of a half', { plain: true, port: 1.5 }, 'RangeError', /port.*1\.5/],
  ['a port that is NaN', { plain: true, port: NaN }, 'RangeError', /port.*NaN/],
  ['an endless port', { plain: true, port: Infinity }, 'RangeError', /port.*Infinity/],
  ['a plain that is text', { port: 9000, plain: 'yes' }, 'TypeError', /plain.*string/],
  ['a wrong maxSize', { plain: true, port: 9000, maxSize: -1 }, 'RangeError', /maxSize.*-1/],
  ['a wrong recvSize', { plain: true, port: 9000, recvSize: '1' }, 'TypeError', /recvSize.*string/],
  ['a wrong highWaterMark', { plain: true, port: 9000, highWaterMark: 0 }, 'RangeError', /highWaterMark.*0/],
  ['a wrong allowHalfOpen', { plain: true, port: 9000, allowHalfOpen: 1 }, 'TypeError', /allowHalfOpen/],
  ['no options', undefined, 'TypeError', /needs 'port' or 'path'/],
  ['null for options', null, 'TypeError', /null/],
  ['a port for options', 9000, 'TypeError', /number/],
];

const ofConnect: [string, Wrong, string, RegExp][] = [
  ['port 0', { plain: true, port: 0 }, 'RangeError', /port.*from 1.*0/],
  ['an option of listen', { plain: true, port: 1, maxPending: 1 }, 'TypeError', /'maxPending'/],
  ['a negative timeout', { plain: true, port: 1, timeout: -1 }, 'RangeError', /timeout.*-1/],
  ['a timeout that is NaN', { plain: true, port: 1, timeout: NaN }, 'RangeError', /timeout.*NaN/],
  ['a timeout that is text', { plain: true, port: 1, timeout: '1' }, 'TypeError', /timeout.*string/],
  ['a signal that is none', { plain: true, port: 1, signal: {} }, 'TypeError', /signal.*Object/],
  ['a number for retry', { plain: true, port: 1, retry: 3 }, 'TypeError', /retry.*number/],
  ['an unknown retry option', { plain: true, port: 1, retry: { times: 3 } }, 'TypeError', /'times'/],
  ['negative retries', { plain: true, port: 1, retry: { retries: -1 } }, 'RangeError', /retries.*-1/],
  [
    'retries that contradict',
    { plain: true, port: 1, retry: { minDelay: 9, maxDelay: 8 } },
    'RangeError',
    /9.*8/,
  ],
];

const ofListen: [string, Wrong, string, RegExp][] = [
  [
    'no option for the key',
    { port: 0 },
    'TypeError',
    /'key', 'keyPath' or 'ephemeralKey: true', or 'plain: true'/,
  ],
  ['an option of connect', { plain: true, port: 0, retry: false }, 'TypeError', /'retry'/],
  ['maxPending 0', { plain: true, port: 0, maxPending: 0 }, 'RangeError', /maxPending.*0/],
  ['a maxPending that is text', { plain: true, port: 0, maxPending: '9' }, 'TypeError', /maxPending.*string/],
  ['an onError that is no function', { plain: true, port: 0, onError: {} }, 'TypeError', /onError.*Object/],
];

async function refused(call: Promise<unknown>, name: string, message: RegExp): Promise<void> {
  const reason = await reasonOf(call);
  expect(reason).toBeInstanceOf(Error);
  expect((reason as Error).name).toBe(name);
  expect((reason as Error).message).toMatch(message);
}

describe('invalid options', () => {
  it.each([...both, ...ofConnect])('make connect reject: %s', async (_, options, name, message) => {
    await refused(connect(options as unknown as PlainConnectOptions), name, message);
  });

  it.each([...both, ...ofListen])('make listen reject: %s', async (_, options, name, message) => {
    await refused(listen(options as unknown as PlainListenOptions), name, message);
  });

  it.skipIf(process.platform === 'win32')("are a path that is longer than the system's limit", async () => {
    await refused(
      connect({ plain: true, path: longPath }),
      'RangeError',
      /path must be at most 10[37] bytes.*125/,
    );
    await refused(
      listen({ plain: true, path: longPath }),
      'RangeError',
      /path must be at most 10[37] bytes.*125/,
    );
  });
});
