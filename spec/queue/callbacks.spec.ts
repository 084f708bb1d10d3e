import { describe, expect, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import { encodeRegistered } from '../../lib/queue/envelope.js';
import { Deferred } from '../../lib/util/wait.js';
import { useFixture } from '../support/fixture.js';
import { ErrorLog, textIn } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { failure, reasonOf, textOf, until, watch } from '../support/sockets.js';
import { takeWarnings, warnings } from '../support/warnings.js';

describe('QueueSocket: callbacks', () => {
  const fixture = useFixture();

  /** A callback whose end the test controls. */
  class Gated {
    readonly begun: string[] = [];
    readonly gates: Deferred<void>[] = [];
    readonly callback = (reader: BinaryReader): Promise<void> => {
      this.begun.push(textIn(reader));
      const gate = new Deferred<void>();
      this.gates.push(gate);
      return gate.promise;
    };
  }

  it('run up to concurrency at a time', async () => {
    const { near, far } = await fixture.queuePair({ far: { concurrency: 3 } });
    const gated = new Gated();
    far.registerCallback('x', gated.callback);
    far.start();
    for (let i = 0; i < 8; i += 1) void near.sendRegistered('x', `${i}`);
    await until(() => far.stats().callbackQueue.messages === 5);
    await turns(3);
    expect(gated.begun).toEqual(['0', '1', '2']);
    gated.gates[1]?.resolve();
    await until(() => gated.begun.length === 4);
    await turns(3);
    expect(gated.begun).toEqual(['0', '1', '2', '3']);
  });

  it('with a concurrency of their own run independently of the others', async () => {
    const { near, far } = await fixture.queuePair();
    const [shared, own] = [new Gated(), new Gated()];
    far.registerCallback('shared', shared.callback);
    far.registerCallback('own', own.callback, { concurrency: 2 });
    far.start();
    for (let i = 0; i < 4; i += 1) {
      void near.sendRegistered('shared', `${i}`);
      void near.sendRegistered('own', `${i}`);
    }
    await until(() => far.stats().callbackQueue.messages === 5);
    await turns(3);
    expect(shared.begun).toEqual(['0']);
    expect(own.begun).toEqual(['0', '1']);
    own.gates[0]?.resolve();
    await until(() => own.begun.length === 3);
    expect(shared.begun).toEqual(['0']);
  });

  it('count messages and requests together in a concurrency of their own', async () => {
    const { near, far } = await fixture.queuePair();
    const gated = new Gated();
    far.registerCallback('own', gated.callback, { concurrency: 1 });
    far.start();
    near.start();
    void near.sendRegistered('own', 'message');
    const answer = near.call('own', 'request');
    await until(() => far.stats().requestQueue.messages === 1);
    await turns(3);
    expect(gated.begun).toEqual(['message']);
    gated.gates[0]?.resolve();
    await until(() => gated.begun.length === 2);
    gated.gates[1]?.resolve();
    expect((await answer).length).toBe(0);
  });

  it('of a higher priority start first among waiting ones', async () => {
    const { near, far } = await fixture.queuePair();
    const seen: string[] = [];
    const gate = new Deferred<void>();
    far.registerCallback('first', () => gate.promise);
    far.registerCallback('low', () => void seen.push('low'), { priority: -1 });
    far.registerCallback('plain', () => void seen.push('plain'));
    far.registerCallback('high', () => void seen.push('high'), { priority: 10 });
    far.start();
    void near.sendRegistered('first');
    await until(() => far.stats().callbacksRun === 1);
    for (const name of ['low', 'plain', 'high', 'low', 'plain', 'high']) void near.sendRegistered(name);
    await until(() => far.stats().callbackQueue.messages === 6);
    gate.resolve();
    await until(() => seen.length === 6);
    expect(seen).toEqual(['high', 'high', 'plain', 'plain', 'low', 'low']);
  });

  it('can be replaced while messages wait, which go to the new callback', async () => {
    const { near, far } = await fixture.queuePair();
    const old = new Gated();
    const seen: string[] = [];
    far.registerCallback('x', old.callback);
    far.start();
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x', `${i}`);
    await until(() => far.stats().callbackQueue.messages === 2);
    far.registerCallback('x', (reader) => void seen.push(textIn(reader)));
    old.gates[0]?.resolve();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['1', '2']);
    expect(old.begun).toEqual(['0']);
  });

  it.each(['queue', 'drop', 'error'] as const)(
    'can be removed while messages wait, which are then unmatched (%s)',
    async (unmatched) => {
      const errors = new ErrorLog();
      const { near, far } = await fixture.queuePair({ far: { unmatched, onError: errors.onError } });
      const gated = new Gated();
      far.registerCallback('x', gated.callback);
      far.start();
      for (let i = 0; i < 3; i += 1) void near.sendRegistered('x', `${i}`);
      await until(() => far.stats().callbackQueue.messages === 2);
      far.removeCallback('x');
      far.removeCallback('x');
      gated.gates[0]?.resolve();
      void near.send('last');
      const got: string[] = [];
      while (got.at(-1) !== 'last') got.push(textOf(await far.recv()));
      await until(() => far.stats().callbackQueue.messages === 0);
      for (let each = await far.recv({ block: false }); each; each = await far.recv({ block: false }))
        got.push(textOf(each));
      expect(got.filter((text) => text !== 'last')).toEqual(
        unmatched === 'queue' ? ['x\u00001', 'x\u00002'] : [],
      );
      expect(errors.kinds).toEqual(unmatched === 'error' ? ['message x', 'message x'] : []);
      expect(gated.begun).toEqual(['0']);
    },
  );

  it('can register, remove and replace themselves', async () => {
    const { near, far } = await fixture.queuePair({ far: { unmatched: 'drop' } });
    const seen: string[] = [];
    far.registerCallback('x', () => {
      seen.push('old');
      far.removeCallback('x');
      far.registerCallback('x', () => {
        seen.push('new');
        far.registerCallback('y', () => void seen.push('y'));
      });
    });
    far.start();
    for (const name of ['x', 'x', 'y']) await near.sendRegistered(name);
    await until(() => seen.length >= 2);
    await near.sendRegistered('y');
    await until(() => seen.includes('y'));
    expect(seen.slice(0, 2)).toEqual(['old', 'new']);
  });

  it.each([
    [
      'message',
      'throws',
      () => {
        throw new TypeError('broken');
      },
    ],
    ['message', 'rejects', () => Promise.reject(new TypeError('broken'))],
  ] as const)('of a %s that %s is reported, and the next one runs', async (kind, _, callback) => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.queuePair({ far: errors });
    const seen: string[] = [];
    far.registerCallback('bad', callback);
    far.registerCallback('good', (reader) => void seen.push(textIn(reader)));
    far.start();
    for (let i = 0; i < 3; i += 1) {
      void near.sendRegistered('bad');
      void near.sendRegistered('good', `${i}`);
    }
    await until(() => seen.length === 3);
    expect(errors.kinds).toEqual([`${kind} bad`, `${kind} bad`, `${kind} bad`]);
    expect(errors.entries[0]?.error).toMatchObject({ name: 'TypeError', message: 'broken' });
    expect(far.stats()).toMatchObject({ callbacksRun: 6, callbacksFailed: 3 });
  });

  it('that read past the end of their payload fail with an EndOfDataError', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.queuePair({ far: errors });
    far.registerCallback('x', (reader) => void reader.readUint());
    far.start();
    void near.sendRegistered('x', 'abc');
    await until(() => errors.entries.length > 0);
    expect(errors.entries[0]?.error).toMatchObject({ code: 'K4NET_END_OF_DATA', wanted: 4, available: 3 });
  });

  it('can fail with an onError that fails too', async () => {
    let heard = 0;
    const onErrors: (() => unknown)[] = [
      () => {
        heard += 1;
        throw new Error('onError is broken');
      },
      () => {
        heard += 1;
        return Promise.reject(new Error('onError is broken'));
      },
    ];
    for (const onError of onErrors) {
      const { near, far } = await fixture.queuePair({ far: { onError: onError } });
      far.registerCallback('x', () => {
        throw new Error('callback');
      });
      far.start();
      void near.sendRegistered('x');
      void near.sendRegistered('x');
      void near.send('still here');
      expect(textOf(await far.recv())).toBe('still here');
    }
    await turns(3);
    expect(heard).toBe(4);
    const given = await takeWarnings();
    expect(given.map(({ message }) => message)).toEqual([expect.stringContaining('onError is broken')]);
  });

  it('cause one process warning per name without an onError', async () => {
    const { near, far } = await fixture.startedQueuePair();
    far.registerCallback('warn-one', () => {
      throw new Error('one is broken');
    });
    far.registerCallback('warn-two', () => Promise.reject(new TypeError('two is broken')));
    far.registerCallback('warn-three', () => {
      throw new Error('three is broken');
    });
    for (let i = 0; i < 5; i += 1) {
      void near.sendRegistered('warn-one');
      void near.sendRegistered('warn-two');
      void near.call('warn-three');
    }
    await until(() => far.stats().callbacksFailed === 15);
    await turns(3);
    const heard = await takeWarnings();
    expect(heard.map(({ name }) => name)).toEqual(['K4netWarning', 'K4netWarning', 'K4netWarning']);
    // The stack of what was thrown leads to the callback.
    for (const { cause } of heard) expect((cause as Error).stack).toContain('callbacks.spec.ts');
    const messages = heard.map(({ message }) => message).sort();
    expect(messages[0]).toContain("'warn-one' failed: Error: one is broken");
    expect(messages[1]).toContain("'warn-three' failed: Error: three is broken");
    expect(messages[2]).toContain("'warn-two' failed: TypeError: two is broken");
    expect(heard[0]).toMatchObject({ code: 'K4NET_CALLBACK' });
  });

  it.each([
    ['drop', []],
    ['error', ['message who', 'message what']],
    [undefined, ['message who', 'message what']],
  ] as const)('that are missing follow the option unmatched (%s)', async (unmatched, kinds) => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: { unmatched, onError: errors.onError } });
    void near.sendRegistered('who', 'x');
    void near.sendRegistered('what');
    void near.send('raw');
    expect(textOf(await far.recv())).toBe('raw');
    expect(errors.kinds).toEqual(kinds);
    for (const { error } of errors.entries) expect(error).toMatchObject({ code: 'K4NET_NO_CALLBACK' });
  });

  it('fill a receive queue that nobody reads, which causes one process warning per socket', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { maxQueuedMessages: 3 } });
    for (let i = 0; i < 5; i += 1) void near.send('nobody calls recv');
    await until(() => warnings.length > 0);
    const [unread, ...others] = await takeWarnings();
    expect(unread).toMatchObject({ code: 'K4NET_UNREAD' });
    expect(others).toEqual([]);
    expect(unread?.message).toContain('the receive queue of a QueueSocket is full (3 messages, ');
    for (let i = 0; i < 5; i += 1) await far.recv();
    for (let i = 0; i < 5; i += 1) void near.send('again');
    await until(() => far.stats().receiveQueue.messages === 3);
    expect(await takeWarnings()).toEqual([]);
  });

  it.each(['', 'ä', 'a\0', 'n'.repeat(256), '\n'])('cannot have the name %j', async (name) => {
    const { near } = await fixture.startedQueuePair();
    const use = (): void => undefined;
    expect(() => {
      near.registerCallback(name, use);
    }).toThrow(RangeError);
    expect(() => {
      near.removeCallback(name);
    }).toThrow(RangeError);
    expect(() => {
      near.registerTask(name, use);
    }).toThrow(RangeError);
    expect(await reasonOf(near.sendRegistered(name))).toBeInstanceOf(RangeError);
    expect(await reasonOf(near.call(name))).toBeInstanceOf(RangeError);
    expect(near.stats().messagesSent).toBe(0);
  });

  it('must be functions with known options', async () => {
    const { near } = await fixture.queuePair();
    for (const wrong of [undefined, null, 'f', {}]) {
      expect(() => {
        near.registerCallback('x', wrong as never);
      }).toThrow(TypeError);
      expect(() => {
        near.registerTask('x', wrong as never);
      }).toThrow(TypeError);
    }
    const register = (options: object) => () => {
      near.registerCallback('x', () => undefined, options);
    };
    expect(register({ prority: 1 })).toThrow(/^unknown option 'prority' of registerCallback/);
    for (const concurrency of [0, -1, 1.5, NaN]) expect(register({ concurrency })).toThrow(RangeError);
    for (const priority of [0.5, NaN, Infinity]) expect(register({ priority })).toThrow(RangeError);
    expect(register({ priority: '1' })).toThrow(TypeError);
    register({ priority: -5, concurrency: Infinity })();
  });
});

describe('QueueSocket: dispatch', () => {
  const fixture = useFixture();

  it('manual: recvRegistered runs the queued callbacks, waits for them, and resolves with their number', async () => {
    const { near, far } = await fixture.queuePair({ far: { dispatch: 'manual' } });
    const seen: string[] = [];
    far.registerCallback('sync', (reader) => void seen.push(textIn(reader)));
    far.registerCallback('async', async (reader) => {
      await turns(3);
      seen.push(textIn(reader));
    });
    far.start();
    expect(await far.recvRegistered()).toBe(0);
    void near.sendRegistered('async', '1');
    void near.sendRegistered('sync', '2');
    void near.send('raw');
    void near.sendRegistered('async', '3');
    expect(textOf(await far.recv())).toBe('raw');
    await until(() => far.stats().callbackQueue.messages === 3);
    await turns(3);
    expect(seen).toEqual([]);
    expect(await far.recvRegistered()).toBe(3);
    expect(seen).toEqual(['1', '2', '3']);
    expect(await far.recvRegistered()).toBe(0);
  });

  it('manual: messages that arrive while callbacks run wait for the next recvRegistered', async () => {
    const { near, far } = await fixture.queuePair({ far: { dispatch: 'manual' } });
    const gate = new Deferred<void>();
    far.registerCallback('x', () => gate.promise);
    far.start();
    void near.sendRegistered('x');
    await until(() => far.stats().callbackQueue.messages === 1);
    const first = watch(far.recvRegistered());
    void near.sendRegistered('x');
    await until(() => far.stats().callbackQueue.messages === 1 && far.stats().callbacksRun === 1);
    await turns(3);
    expect(first.state).toBe('pending');
    gate.resolve();
    await until(() => first.state === 'resolved');
    expect(first.value).toBe(1);
    expect(far.stats().callbacksRun).toBe(1);
    expect(await far.recvRegistered()).toBe(1);
  });

  it('manual: failed callbacks are reported and counted like others', async () => {
    const errors = new ErrorLog();
    const { near, far } = await fixture.queuePair({ far: { dispatch: 'manual', onError: errors.onError } });
    far.registerCallback('x', () => {
      throw new Error('broken');
    });
    far.start();
    void near.sendRegistered('x');
    void near.sendRegistered('x');
    await until(() => far.stats().callbackQueue.messages === 2);
    expect(await far.recvRegistered()).toBe(2);
    expect(errors.kinds).toEqual(['message x', 'message x']);
  });

  it('manual: requests wait for recvRegistered too', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    far.registerCallback('x', (reader) => reader.read());
    const answer = watch(near.call('x', 'y'));
    await until(() => far.stats().requestQueue.messages === 1);
    await turns(3);
    expect(answer.state).toBe('pending');
    expect(await far.recvRegistered()).toBe(1);
    await until(() => answer.state === 'resolved');
    expect(textIn(answer.value!)).toBe('y');
  });

  it('auto: recvRegistered resolves with the number of callbacks since the last time', async () => {
    const { near, far } = await fixture.queuePair();
    far.registerCallback('x', () => undefined);
    far.start();
    expect(await far.recvRegistered()).toBe(0);
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => far.stats().callbacksRun === 3);
    expect(await far.recvRegistered()).toBe(3);
    expect(await far.recvRegistered()).toBe(0);
  });

  it.each(['auto', 'manual'] as const)('%s: recvRegistered yields for one turn', async (dispatch) => {
    const { far } = await fixture.startedQueuePair({ far: { dispatch } });
    let turned = false;
    setImmediate(() => (turned = true));
    await far.recvRegistered();
    expect(turned).toBe(true);
  });

  it.each(['auto', 'manual'] as const)(
    '%s: recvRegistered rejects after the socket has ended',
    async (dispatch) => {
      const { near, far } = await fixture.startedQueuePair({ far: { dispatch } });
      await near.close();
      await far.closed;
      await failure(far.recvRegistered(), 'K4NET_CLOSED');
      const { far: other } = await fixture.startedQueuePair({ far: { dispatch } });
      await other.close(undefined, { timeout: 0 });
      await failure(other.recvRegistered(), 'K4NET_CLOSED');
    },
  );

  it('auto: recvRegistered rejects after the socket has ended even if callbacks were dropped', async () => {
    const { near, far } = await fixture.queuePair();
    far.registerCallback('x', () => new Promise(() => undefined));
    far.start();
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => far.stats().callbackQueue.messages === 2);
    await far.recvRegistered();
    await far.close(undefined, { timeout: 0 });
    expect(far.stats().callbackQueue).toEqual({ messages: 0, bytes: 0 });
    await failure(far.recvRegistered(), 'K4NET_CLOSED');
  });
});

describe('a callback that removes another callback with a concurrency of its own', () => {
  const fixture = useFixture();

  it.each(['auto', 'manual'] as const)(
    'does not keep a third callback from its messages (%s)',
    async (dispatch) => {
      const { queue, peer } = await fixture.queueWithPeer({ dispatch, unmatched: 'error' });
      const own = { concurrency: 1 };
      queue.registerCallback('first', () => undefined, own);
      queue.registerCallback(
        'second',
        () => {
          queue.removeCallback('first');
        },
        own,
      );
      const third = new Promise((resolve) => {
        queue.registerCallback('third', resolve, own);
      });
      // Both come in one chunk, so that they begin in one go.
      void peer.send(encodeRegistered('second', new Uint8Array(0)));
      void peer.send(encodeRegistered('third', new Uint8Array(0)));
      queue.start();
      while (dispatch === 'manual' && (await queue.recvRegistered()) === 0);
      await third;
      expect(queue.stats()).toMatchObject({ callbacksRun: 2, callbackQueue: { messages: 0 } });
    },
  );
});
