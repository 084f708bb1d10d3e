import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../lib/queue/error-hooks.js';
import { turns } from '../support/recorder.js';
import { takeWarnings } from '../support/warnings.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { failure } from '../support/sockets.js';

const evil = (): never => {
  throw new Error('not to be looked at');
};

/** What can be thrown, although nothing can be said of it. */
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
