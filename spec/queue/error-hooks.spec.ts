import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../lib/queue/error-hooks.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { ErrorLog } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { failure, textOf } from '../support/sockets.js';
import { takeWarnings } from '../support/warnings.js';

const evil = (): never => {
  throw new Error('not to be looked at');
};

/** Values that a callback can throw, and that no code can read or print. */
const odd: Record<string, unknown> = {
  'without a prototype': Object.create(null) as unknown,
  'with a message that is a symbol': Object.assign(new Error(), { message: Symbol('odd') }),
  'with a code that throws': Object.defineProperty(new Error('odd'), 'code', { get: evil }),
  'that throws when it is looked at': new Proxy({}, { getPrototypeOf: evil, get: evil, has: evil }),
};

it.each(Object.entries(odd))('an error %s has a description', (_, thrown) => {
  expect(typeof describeFailure(thrown).message).toBe('string');
});

describe.each(socketKinds)('QueueSocket, %s: a callback that throws something', (carrier) => {
  const fixture = useFixture(carrier);

  it.each(Object.entries(odd))('%s fails without another effect', async (what, thrown) => {
    const { near, far } = await fixture.startedQueuePair();
    const name = `${carrier} ${what}`;
    far.registerCallback(name, () => {
      throw thrown;
    });
    far.registerCallback(`${name} later`, async () => {
      await turns();
      throw thrown;
    });
    for (const each of [name, `${name} later`]) {
      await near.sendRegistered(each);
      await failure(near.call(each), 'K4NET_REMOTE');
    }
    expect(far.stats()).toMatchObject({ callbacksFailed: 4, requestsInFlight: 0 });
    const given = (await takeWarnings()).map(({ message, code }) => [message.split(' failed:')[0], code]);
    expect(given).toEqual([name, `${name} later`].map((each) => [`'${each}'`, 'K4NET_CALLBACK']));
  });
});

describe('a message for a name without a callback', () => {
  const fixture = useFixture('plain over TCP');

  it('causes one process warning with the peer for each of the first 16 names, and none for further names', async () => {
    const { near, far } = await fixture.startedQueuePair();
    for (let nth = 1; nth <= 20; nth += 1) {
      for (let again = 0; again < 3; again += 1) void near.sendRegistered(`name-${nth}`);
    }
    void near.send('last');
    expect(textOf(await far.recv())).toBe('last');
    const given = await takeWarnings();
    const texts = Array.from(
      { length: 16 },
      (_, i) => `no callback for the message 'name-${i + 1}' (peer ${far.remoteAddress})`,
    );
    const last = `${texts.pop()}. Further unknown names are not reported`;
    expect(given.map(({ message }) => message)).toEqual([...texts, last]);
    for (const { code } of given) expect(code).toBe('K4NET_NO_CALLBACK');
  });

  it('is reported to onError each time, with the peer', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: { onError: errors.onError } });
    for (let i = 0; i < 20; i += 1) void near.sendRegistered('misspelt');
    void near.send('last');
    await far.recv();
    expect(errors.entries.length).toBe(20);
    for (const { error, info } of errors.entries) {
      expect(info).toEqual({ name: 'misspelt', kind: 'message' });
      expect(error).toMatchObject({
        code: 'K4NET_NO_CALLBACK',
        message: `no callback for the message 'misspelt' (peer ${far.remoteAddress})`,
      });
    }
  });
});
