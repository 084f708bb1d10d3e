// The option `authorizeCall`: which calls of the peer may run.
import { describe, expect, it } from 'vitest';
import { encodeCancel } from '../../lib/queue/envelope.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { CallbackContext } from '../../lib/queue/types.js';
import { Deferred } from '../../lib/util/wait.js';
import { RemoteError } from '../../lib/errors.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { encodeRequest, ErrorLog, registered, textIn } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { failure, reasonOf, textOf, until } from '../support/sockets.js';
import { takeWarnings } from '../support/warnings.js';

const none = new Uint8Array(0);
const allowed = (name: string): boolean => name.startsWith('may');

/** The code and the message of the error of a call, as its caller gets them. */
async function remote(call: Promise<unknown>): Promise<[string, string]> {
  const error = await reasonOf(call);
  if (!(error instanceof RemoteError)) throw error;
  return [error.remoteCode, error.remoteMessage];
}
const forbidden = (name: string): [string, string] => [
  'K4NET_FORBIDDEN',
  `the call of '${name}' is forbidden`,
];

const forms: [string, NonNullable<QueueSocketOptions['authorizeCall']>][] = [
  ['synchronous', allowed],
  ['asynchronous', (name) => turns().then(() => allowed(name))],
];

describe.each(socketKinds)('authorizeCall, %s', (kind) => {
  const fixture = useFixture(kind);

  it.each(forms)('refuses and accepts requests, %s', async (_, authorizeCall) => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: { authorizeCall, onError: errors.onError } });
    const seen: string[] = [];
    for (const name of ['may add', 'add']) {
      far.registerCallback(name, (reader, context) => {
        seen.push(`${context.name} ${textIn(reader)}`);
        return 'answer';
      });
    }
    expect(textOf((await near.call('may add', '1')).read())).toBe('answer');
    expect(await remote(near.call('add', '2'))).toEqual(forbidden('add'));
    // A peer that may not call a name does not learn whether it exists.
    expect(await remote(near.call('unknown'))).toEqual(forbidden('unknown'));
    expect(await remote(near.stream('unknown').answer)).toEqual(forbidden('unknown'));
    expect(await remote(near.call('may miss'))).toEqual([
      'K4NET_NO_CALLBACK',
      "there is no callback 'may miss'",
    ]);
    expect(seen).toEqual(['may add 1']);
    expect(errors.entries).toEqual([]);
    expect(far.stats()).toMatchObject({ callbacksRun: 1, callbacksFailed: 0, requestsInFlight: 0 });
  });

  it.each(forms)(
    'drops the messages that it refuses, and reports them to onError, %s',
    async (_, authorizeCall) => {
      const errors = new ErrorLog();
      const { near, far } = await fixture.startedQueuePair({
        far: { authorizeCall, onError: errors.onError },
      });
      const seen: string[] = [];
      for (const name of ['may add', 'add'])
        far.registerCallback(name, (reader) => void seen.push(`${name} ${textIn(reader)}`));
      for (const index of [1, 2, 3]) {
        void near.sendRegistered('may add', `${index}`);
        void near.sendRegistered('add', `${index}`);
      }
      await near.drain();
      await far.closed;
      expect(seen).toEqual(['may add 1', 'may add 2', 'may add 3']);
      expect(errors.kinds).toEqual(['message add', 'message add', 'message add']);
      const message = `authorizeCall refuses the message 'add'${far.remoteAddress ? ` (peer ${far.remoteAddress})` : ''}`;
      for (const { error } of errors.entries)
        expect(error).toMatchObject({ code: 'K4NET_FORBIDDEN', message });
    },
  );

  it.each(forms)(
    'refuses a streaming call before anything of its body is read, %s',
    async (_, authorizeCall) => {
      const { near, far } = await fixture.startedQueuePair({ far: { authorizeCall } });
      let runs = 0;
      for (const name of ['may put', 'put']) {
        far.registerCallback(name, async function* (_reader, { body }) {
          runs += 1;
          for await (const item of body) yield item.read();
          return 'stored';
        });
      }
      let produced = 0;
      const body = function* (): Generator<string> {
        produced += 1;
        yield 'item';
      };
      const refused = near.stream('put', '', { body: body() });
      expect(await remote(refused.next())).toEqual(forbidden('put'));
      expect([runs, produced]).toEqual([0, 0]);
      const accepted = near.stream('may put', '', { body: body() });
      for await (const item of accepted) expect(textIn(item)).toBe('item');
      expect(textOf((await accepted.answer).read())).toBe('stored');
      expect([runs, produced]).toEqual([1, 1]);
      expect(far.stats()).toMatchObject({ streams: 0, requestsInFlight: 0 });
    },
  );
});

describe('authorizeCall', () => {
  const fixture = useFixture();

  it('gets the context of the callback', async () => {
    const contexts: [string, CallbackContext][] = [];
    const { near, far } = await fixture.startedQueuePair({
      far: {
        authorizeCall: (name, context) => {
          contexts.push([name, context]);
          return true;
        },
      },
    });
    const given: CallbackContext[] = [];
    far.registerCallback('name', (_, context) => void given.push(context));
    await near.sendRegistered('name');
    await near.call('name');
    expect(contexts).toEqual(given.map((context) => ['name', context]));
    expect(contexts.map(([, { socket, name }]) => [socket, name])).toEqual([
      [far, 'name'],
      [far, 'name'],
    ]);
  });

  it.each<[string, unknown]>([
    ['false', false],
    ['undefined', undefined],
    ['1', 1],
    ['a string', 'true'],
    ['an object', {}],
    ['a promise of 1', Promise.resolve(1)],
    ['a promise of undefined', Promise.resolve()],
  ])('refuses with the result %s: only true accepts', async (_, result) => {
    const { near, far } = await fixture.startedQueuePair({ far: { authorizeCall: () => result as boolean } });
    far.registerCallback('name', () => expect.fail());
    expect(await remote(near.call('name'))).toEqual(forbidden('name'));
  });

  const secret = new Error('a secret of the database');
  it.each<[string, () => boolean | Promise<boolean>]>([
    [
      'throws',
      () => {
        throw secret;
      },
    ],
    ['rejects', () => Promise.reject(secret)],
  ])('that %s refuses, and only onError gets the error', async (_, authorizeCall) => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: { authorizeCall, onError: errors.onError } });
    far.registerCallback('name', () => expect.fail());
    expect(await remote(near.call('name'))).toEqual(forbidden('name'));
    void near.sendRegistered('name');
    await until(() => errors.entries.length === 2);
    const entry = { error: secret, info: { name: 'authorizeCall', kind: 'hook' } };
    expect(errors.entries).toEqual([entry, entry]);
  });

  it('causes one process warning for each of the first 16 names of refused messages', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { authorizeCall: () => false } });
    for (let nth = 1; nth <= 20; nth += 1) {
      far.registerCallback(`name-${nth}`, () => expect.fail());
      for (let again = 0; again < 3; again += 1) void near.sendRegistered(`name-${nth}`);
    }
    void near.send('last');
    await far.recv();
    const given = await takeWarnings();
    const last = '. Further refused names are not reported';
    const texts = Array.from(
      { length: 16 },
      (_, i) => `authorizeCall refuses the message 'name-${i + 1}'${i === 15 ? last : ''}`,
    );
    expect(given.map(({ message, code }) => [message.replace(/ \(peer .*\)/, ''), code])).toEqual(
      texts.map((text) => [text, 'K4NET_FORBIDDEN']),
    );
  });

  it('keeps the order of messages and ordered calls while it is asynchronous', async () => {
    const gates = new Map(['1', '2', '3', '4'].map((name) => [name, new Deferred<boolean>()]));
    const asked: string[] = [];
    const { near, far } = await fixture.startedQueuePair({
      far: {
        authorizeCall: (name) => {
          asked.push(name);
          return gates.get(name)?.promise ?? false;
        },
      },
    });
    const seen: string[] = [];
    far.registerCallback('1', () => void seen.push('1'));
    far.registerCallback('2', () => void seen.push('2'), { ordered: true });
    far.registerCallback(
      '3',
      async function* () {
        seen.push('3');
        yield await turns().then(() => '');
      },
      { ordered: true },
    );
    far.registerCallback('4', () => void seen.push('4'));
    void near.sendRegistered('1');
    const second = near.call('2');
    const third = near.stream('3');
    void near.sendRegistered('4');
    for (const name of ['1', '2', '3', '4']) {
      await until(() => asked.at(-1) === name);
      await turns(3);
      expect(asked.at(-1)).toBe(name);
      gates.get(name)?.resolve(true);
    }
    await Promise.all([second, third.answer]);
    await until(() => seen.length === 4);
    expect(seen).toEqual(['1', '2', '3', '4']);
  });

  it('counts in the concurrency of requests while it is asynchronous', async () => {
    const gates: Deferred<boolean>[] = [];
    const { near, far } = await fixture.startedQueuePair({
      far: {
        requestConcurrency: 2,
        authorizeCall: () => {
          const gate = new Deferred<boolean>();
          gates.push(gate);
          return gate.promise;
        },
      },
    });
    far.registerCallback('name', () => 'answer');
    const calls = ['name', 'unknown', 'name', 'name'].map((name) => reasonOfCall(near.call(name)));
    for (const count of [2, 3, 4]) {
      await until(() => gates.length === count);
      await turns(3);
      expect(gates.length).toBe(count);
      gates[count - 2]?.resolve(count > 3);
    }
    gates[3]?.resolve(true);
    expect(await Promise.all(calls)).toEqual(['K4NET_FORBIDDEN', 'K4NET_FORBIDDEN', 'answer', 'answer']);
  });

  it('does not run a request that was cancelled while its authorization was pending', async () => {
    const gate = new Deferred<boolean>();
    let aborted = false;
    const { queue, peer } = await fixture.queueWithPeer({
      authorizeCall: (_, { signal }) => {
        signal.addEventListener('abort', () => (aborted = true));
        return gate.promise;
      },
    });
    queue.registerCallback('name', () => expect.fail());
    queue.start();
    await peer.send(encodeRequest(1, 'name', none));
    await until(() => queue.stats().requestsInFlight === 1);
    await peer.send(encodeCancel(1));
    await until(() => aborted);
    gate.resolve(true);
    await until(() => queue.stats().requestsInFlight === 0);
    expect(queue.stats()).toMatchObject({ callbacksRun: 0, callbacksFailed: 0 });
  });

  it('runs neither a message nor a request after close while its authorization is pending', async () => {
    const gate = new Deferred<boolean>();
    let asked = 0;
    const { queue, peer } = await fixture.queueWithPeer({
      authorizeCall: () => {
        asked += 1;
        return gate.promise;
      },
    });
    queue.registerCallback('name', () => expect.fail());
    queue.start();
    await peer.send(encodeRequest(1, 'name', none));
    await peer.send(registered('name'));
    await until(() => asked === 2);
    const closed = queue.close();
    gate.resolve(true);
    await Promise.all([closed, peer.close()]);
    await turns(3);
    expect(queue.stats()).toMatchObject({ callbacksRun: 0, callbacksFailed: 0 });
  });

  it('still runs a message after the peer has ended while its authorization was pending', async () => {
    const gate = new Deferred<boolean>();
    let asked = 0;
    let runs = 0;
    const { near, far } = await fixture.startedQueuePair({
      far: {
        authorizeCall: () => {
          asked += 1;
          return gate.promise;
        },
      },
    });
    far.registerCallback('name', () => void (runs += 1));
    await near.sendRegistered('name');
    await until(() => asked === 1);
    const closed = near.close();
    await failure(far.recv(), 'K4NET_CLOSED');
    gate.resolve(true);
    await Promise.all([closed, far.closed]);
    expect(runs).toBe(1);
  });

  it('refuses excess requests of unknown names like those of names that the peer may not call', async () => {
    const gate = new Deferred<boolean>();
    const { near } = await fixture.startedQueuePair({
      near: { maxQueuedMessages: 100 },
      far: { maxQueuedMessages: 10, authorizeCall: () => gate.promise },
    });
    const calls = Array.from({ length: 20 }, (_, i) => near.call(`unknown ${i}`));
    // Ten requests wait for their authorization.
    expect(await Promise.all(calls.slice(10).map((call) => remote(call)))).toEqual(
      Array.from({ length: 10 }, (_, i) => forbidden(`unknown ${i + 10}`)),
    );
    gate.resolve(false);
    expect(await Promise.all(calls.slice(0, 10).map((call) => remote(call)))).toEqual(
      Array.from({ length: 10 }, (_, i) => forbidden(`unknown ${i}`)),
    );
  });

  it('must be a function', async () => {
    await expect(
      fixture.queuePair({ near: { authorizeCall: true as unknown as () => boolean } }),
    ).rejects.toThrow(TypeError);
  });
});

/** The answer of a call as text, or the code of its failure. */
async function reasonOfCall(call: Promise<{ read(): Uint8Array }>): Promise<string> {
  try {
    return textOf((await call).read());
  } catch (error) {
    return error instanceof RemoteError ? error.remoteCode : String(error);
  }
}
