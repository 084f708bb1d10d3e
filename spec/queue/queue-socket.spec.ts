import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BinaryReader } from '../../lib/binary/reader.js';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import { TimeoutError, TooLargeError } from '../../lib/errors.js';
import { encodeFailure } from '../../lib/queue/envelope.js';
import type { CallbackContext } from '../../lib/queue/types.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { Deferred } from '../../lib/util/wait.js';
import { handles } from '../support/net.js';
import { Errors, hex, QueueField, queueCarriers } from '../support/queue.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { failure, failureOf, reasonOf, textOf, until, watch } from '../support/sockets.js';
import { takeWarnings, warnings } from '../support/warnings.js';

const textIn = (reader: BinaryReader): string => textOf(reader.read());

describe.each(queueCarriers)('QueueSocket, %s: messages', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('go to the callback of their name, with a reader and a context', async () => {
    const { near, far } = await field.pair();
    const calls: { reader: BinaryReader; context: CallbackContext; text: string }[] = [];
    far.registerCallback('chat', (reader, context) => {
      calls.push({ reader, context, text: textIn(reader) });
    });
    far.start();
    void near.sendRegistered('chat', 'hello');
    void near.sendRegistered('chat');
    void near.sendRegistered('chat', new Uint8Array([0, 0xff]));
    void near.sendRegistered('chat', (writer: BinaryWriter) => {
      writer.writeUint(0x41424344);
    });
    await until(() => calls.length === 4);
    expect(calls.map(({ text }) => text)).toEqual(['hello', '', '\0\ufffd', 'DCBA']);
    for (const { reader, context } of calls) {
      expect(reader).toBeInstanceOf(BinaryReader);
      expect(context.socket).toBe(far);
      expect(context.name).toBe('chat');
      expect(context.signal.aborted).toBe(false);
    }
  });

  it('are the bytes of the Python library on the wire, both ways', async () => {
    const { queue, peer } = await field.alone();
    const seen: string[] = [];
    queue.registerCallback('a name with spaces', (reader) => void seen.push(textIn(reader)));
    queue.start();
    void queue.sendRegistered('pos', new Uint8Array([0, 1]));
    expect(textOf(await peer.recv())).toBe('pos\0\0\u0001');
    void peer.send('a name with spaces\0\0x');
    await until(() => seen.length > 0);
    expect(seen).toEqual(['\0x']);
  });

  it("go to recv unchanged and in order where no callback takes them, with unmatched: 'queue'", async () => {
    const { queue, peer } = await field.alone({ unmatched: 'queue' });
    queue.registerCallback('known', () => undefined);
    queue.start();
    const raw = [
      'no NUL',
      '',
      '\0',
      '\0K',
      'unknown\0x',
      'grüße\0x',
      `${'n'.repeat(256)}\0`,
      'tab\t\0',
      'knowN\0',
    ];
    for (const text of raw) {
      void peer.send(text);
      void peer.send('known\0');
    }
    for (const text of raw) expect(textOf(await queue.recv())).toBe(text);
    expect(queue.stats().callbacksRun).toBe(raw.length);
  });

  it('of any size pass in both directions at once, with and without a name', async () => {
    const { near, far } = await field.pair();
    const sizes = [0, 1, 1000, 16 * 1024, 100_000, 0, 700_000, 5];
    for (const sock of [near, far]) {
      sock.registerCallback('data', (reader) => {
        const i = seen[sock === near ? 0 : 1].push(reader.read().slice());
        expect(i).toBeLessThanOrEqual(sizes.length);
      });
      sock.start();
    }
    const seen: [Uint8Array[], Uint8Array[]] = [[], []];
    const exchange = async (from: QueueSocket, to: QueueSocket): Promise<void> => {
      const sent = sizes.map(async (size, i) => {
        await from.sendRegistered('data', pattern(size, i));
        await from.send(pattern(size, i + 50));
      });
      const got: Uint8Array[] = [];
      while (got.length < sizes.length) got.push(await to.recv());
      await Promise.all(sent);
      for (const size of sizes)
        expect(got.some((each) => same(each, pattern(size, sizes.indexOf(size) + 50)))).toBe(true);
    };
    await Promise.all([exchange(near, far), exchange(far, near)]);
    await until(() => seen[0].length + seen[1].length === 2 * sizes.length);
    for (const side of seen)
      for (const [i, size] of sizes.entries()) expect(same(side[i]!, pattern(size, i))).toBe(true);
  });

  it('that arrived before start are handled after it, in order', async () => {
    const { near, far, farSocket } = await field.pair();
    const seen: string[] = [];
    void near.sendRegistered('a', '1');
    void near.send('raw');
    void near.sendRegistered('a', '2');
    await until(() => farSocket.stats().bytesReceived >= near.stats().bytesSent);
    far.start();
    // Registered after start, in the same piece of code: nothing has been given out yet.
    far.registerCallback('a', (reader) => void seen.push(textIn(reader)));
    expect(textOf(await far.recv())).toBe('raw');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['1', '2']);
  });

  it('wait while an asynchronous callback runs, and keep their order', async () => {
    const { near, far } = await field.pair();
    const seen: string[] = [];
    const gates = new Map<string, Deferred<void>>();
    far.registerCallback('sync', (reader) => void seen.push(textIn(reader)));
    far.registerCallback('async', async (reader) => {
      const text = textIn(reader);
      seen.push(`${text} begins`);
      gates.set(text, new Deferred());
      await gates.get(text)?.promise;
      seen.push(`${text} ends`);
    });
    far.start();
    for (const [name, text] of [
      ['sync', '1'],
      ['async', '2'],
      ['sync', '3'],
      ['async', '4'],
      ['sync', '5'],
    ] as const)
      void near.sendRegistered(name, text);
    await until(() => gates.has('2'));
    await until(() => far.stats().callbackQueue.messages === 3);
    await turns(5);
    expect(seen).toEqual(['1', '2 begins']);
    gates.get('2')?.resolve();
    await until(() => gates.has('4'));
    expect(seen).toEqual(['1', '2 begins', '2 ends', '3', '4 begins']);
    gates.get('4')?.resolve();
    await until(() => seen.length === 7);
    expect(seen.slice(5)).toEqual(['4 ends', '5']);
  });
});

describe('QueueSocket: callbacks', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  /** A callback that begins and ends as the test says. */
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
    const { near, far } = await field.pair({ far: { concurrency: 3 } });
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
    const { near, far } = await field.pair();
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
    const { near, far } = await field.pair();
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
    const { near, far } = await field.pair();
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

  it('can be replaced while messages wait: the new callback gets them', async () => {
    const { near, far } = await field.pair();
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
      const errors = new Errors();
      const { near, far } = await field.pair({ far: { unmatched, onError: errors.onError } });
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
    const { near, far } = await field.pair({ far: { unmatched: 'drop' } });
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
    const errors = new Errors();
    const { near, far } = await field.pair({ far: errors });
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
    expect(errors.heard[0]?.error).toMatchObject({ name: 'TypeError', message: 'broken' });
    expect(far.stats()).toMatchObject({ callbacksRun: 6, callbacksFailed: 3 });
  });

  it('that read past the end of their payload fail with an EndOfDataError', async () => {
    const errors = new Errors();
    const { near, far } = await field.pair({ far: errors });
    far.registerCallback('x', (reader) => void reader.readUint());
    far.start();
    void near.sendRegistered('x', 'abc');
    await until(() => errors.heard.length > 0);
    expect(errors.heard[0]?.error).toMatchObject({ code: 'K4NET_END_OF_DATA', wanted: 4, available: 3 });
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
      const { near, far } = await field.pair({ far: { onError: onError } });
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
    const { near, far } = await field.started();
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
    for (const { cause } of heard) expect((cause as Error).stack).toContain('queue-socket.spec.ts');
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
    const errors = new Errors();
    const { near, far } = await field.started({ far: { unmatched, onError: errors.onError } });
    void near.sendRegistered('who', 'x');
    void near.sendRegistered('what');
    void near.send('raw');
    expect(textOf(await far.recv())).toBe('raw');
    expect(errors.kinds).toEqual(kinds);
    for (const { error } of errors.heard) expect(error).toMatchObject({ code: 'K4NET_NO_CALLBACK' });
  });

  it('fill a receive queue that nobody reads, which causes one process warning per socket', async () => {
    const { near, far } = await field.started({ far: { maxQueuedMessages: 3 } });
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
    const { near } = await field.started();
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
    const { near } = await field.pair();
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
    expect(register({ prority: 1 })).toThrow(/^registerCallback has no option 'prority'/);
    for (const concurrency of [0, -1, 1.5, NaN]) expect(register({ concurrency })).toThrow(RangeError);
    for (const priority of [0.5, NaN, Infinity]) expect(register({ priority })).toThrow(RangeError);
    expect(register({ priority: '1' })).toThrow(TypeError);
    register({ priority: -5, concurrency: Infinity })();
  });
});

describe('QueueSocket: dispatch', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('manual: recvRegistered runs the queued callbacks, waits for them, and resolves with their number', async () => {
    const { near, far } = await field.pair({ far: { dispatch: 'manual' } });
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
    const { near, far } = await field.pair({ far: { dispatch: 'manual' } });
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
    const errors = new Errors();
    const { near, far } = await field.pair({ far: { dispatch: 'manual', onError: errors.onError } });
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
    const { near, far } = await field.started({ far: { dispatch: 'manual' } });
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
    const { near, far } = await field.pair();
    far.registerCallback('x', () => undefined);
    far.start();
    expect(await far.recvRegistered()).toBe(0);
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => far.stats().callbacksRun === 3);
    expect(await far.recvRegistered()).toBe(3);
    expect(await far.recvRegistered()).toBe(0);
  });

  it.each(['auto', 'manual'] as const)('%s: recvRegistered yields for one turn', async (dispatch) => {
    const { far } = await field.started({ far: { dispatch } });
    let turned = false;
    setImmediate(() => (turned = true));
    await far.recvRegistered();
    expect(turned).toBe(true);
  });

  it.each(['auto', 'manual'] as const)(
    '%s: recvRegistered rejects after the socket has ended',
    async (dispatch) => {
      const { near, far } = await field.started({ far: { dispatch } });
      await near.close();
      await far.closed;
      await failure(far.recvRegistered(), 'K4NET_CLOSED');
      const { far: other } = await field.started({ far: { dispatch } });
      await other.close(undefined, { timeout: 0 });
      await failure(other.recvRegistered(), 'K4NET_CLOSED');
    },
  );

  it('auto: recvRegistered rejects after the socket has ended even if callbacks were dropped', async () => {
    const { near, far } = await field.pair();
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

describe('QueueSocket: recv', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('rejects before start, like recvRegistered and call, and changes nothing', async () => {
    const { near, far } = await field.pair({ near: { unmatched: 'queue' } });
    await failure(far.recv(), 'K4NET_STATE');
    await failure(far.recv({ block: false }), 'K4NET_STATE');
    await failure(far.recvRegistered(), 'K4NET_STATE');
    await failure(far.call('x'), 'K4NET_STATE');
    await failure(far[Symbol.asyncIterator]().next(), 'K4NET_STATE');
    void far.send('sending needs none');
    void far.sendRegistered('x');
    near.start();
    expect(textOf(await near.recv())).toBe('sending needs none');
    expect(textOf(await near.recv())).toBe('x\0');
  });

  it('throws at a second start', async () => {
    const { near } = await field.pair();
    near.start();
    expect(() => {
      near.start();
    }).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
  });

  it('does not wait with block: false', async () => {
    const { near, far } = await field.started();
    expect(await far.recv({ block: false })).toBeUndefined();
    void near.send('x');
    await until(() => far.stats().receiveQueue.messages === 1);
    expect(textOf(await far.recv({ block: false }))).toBe('x');
    expect(await far.recv({ block: false })).toBeUndefined();
    await near.close();
    await far.closed;
    await failure(far.recv({ block: false }), 'K4NET_CLOSED');
  });

  it('keeps a message over its maxSize for the next recv', async () => {
    const { near, far } = await field.started();
    void near.send(pattern(10));
    const error = await failureOf(far.recv({ maxSize: 9 }), TooLargeError);
    expect([error.size, error.limit]).toEqual([10, 9]);
    await failureOf(far.recv({ maxSize: 9, block: false }), TooLargeError);
    expect((await far.recv({ maxSize: 10 })).length).toBe(10);
    expect(far.readyState).toBe('open');
  });

  it('rejects after its timeout and loses no message', async () => {
    const { near, far } = await field.started();
    await failureOf(far.recv({ timeout: 0 }), TimeoutError);
    expect((await failureOf(far.recv({ timeout: 5 }), TimeoutError)).timeout).toBe(5);
    void near.send('x');
    expect(textOf(await far.recv({ timeout: 2 ** 40 }))).toBe('x');
  });

  it('rejects when its signal aborts and removes its listener', async () => {
    const { near, far } = await field.started();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [far.recv({ signal }), far.recv({ signal, timeout: 60_000 })];
    const patient = far.recv();
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    controller.abort('enough');
    for (const each of waiting) expect(await reasonOf(each)).toBe('enough');
    expect(await reasonOf(far.recv({ signal }))).toBe('enough');
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    void near.send('x');
    expect(textOf(await patient)).toBe('x');
  });

  it('gives messages to pending calls in order', async () => {
    const { near, far } = await field.started();
    const waiting = Array.from({ length: 20 }, () => far.recv());
    for (let i = 0; i < 20; i += 1) void near.send(`${i}`);
    expect((await Promise.all(waiting)).map(textOf)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  it('as a loop ends when the peer has ended', async () => {
    const { near, far } = await field.started();
    void near.send('1');
    void near.send('2');
    void near.close('3');
    const seen: string[] = [];
    for await (const message of far) seen.push(textOf(message));
    expect(seen).toEqual(['1', '2', '3']);
    expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('as a loop throws when the connection fails', async () => {
    const { far, cut } = await field.started();
    const loop = async (): Promise<void> => {
      for await (const message of far) expect.fail(textOf(message));
    };
    const looping = watch(loop());
    await turns(2);
    cut();
    await until(() => looping.state !== 'pending');
    expect(looping.reason).toMatchObject({ code: 'K4NET_CONNECTION' });
  });

  it('continues after a loop ends with break, without a lost message', async () => {
    const { near, far } = await field.started();
    for (const text of ['1', '2', '3']) void near.send(text);
    for await (const message of far) {
      expect(textOf(message)).toBe('1');
      break;
    }
    expect(far.readyState).toBe('open');
    expect(textOf(await far.recv())).toBe('2');
    for await (const message of far) {
      expect(textOf(message)).toBe('3');
      break;
    }
  });

  it.each([
    [{ blok: true }, TypeError],
    [{ block: 1 }, TypeError],
    [{ timeout: -1 }, RangeError],
    [{ timeout: NaN }, RangeError],
    [{ maxSize: -1 }, RangeError],
    [{ signal: 'x' }, TypeError],
    [null, TypeError],
  ])('rejects the options %j', async (options, type) => {
    const { far } = await field.started();
    expect(await reasonOf(far.recv(options as never))).toBeInstanceOf(type);
  });
});

describe('QueueSocket: send', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('rejects a message that begins like a control message, and sends nothing', async () => {
    const { queue, peer } = await field.alone();
    for (const bytes of ['00 4b 51', '00 4b 51 05', '00 4b 51 01 00000000 61 00', '00 4b 51 ff ff']) {
      expect(await reasonOf(queue.send(hex(bytes)))).toBeInstanceOf(RangeError);
      expect(await reasonOf(queue.close(hex(bytes)))).toBeInstanceOf(RangeError);
    }
    expect(await reasonOf(queue.send('\0KQ'))).toBeInstanceOf(RangeError);
    for (const bytes of ['', '00', '00 4b', '00 4b 52', 'ff 00 4b 51']) {
      await queue.send(hex(bytes));
      expect(same(await peer.recv(), hex(bytes))).toBe(true);
    }
    expect(queue.stats().messagesSent).toBe(5);
  });

  it('accepts bytes, text and constructors only', async () => {
    const { queue } = await field.alone();
    for (const wrong of [1, null, {}, [1], new ArrayBuffer(1), true, new Uint16Array(1)]) {
      expect(await reasonOf(queue.send(wrong as never))).toBeInstanceOf(TypeError);
      expect(await reasonOf(queue.sendRegistered('x', wrong as never))).toBeInstanceOf(TypeError);
    }
    expect(await reasonOf(queue.send(undefined as never))).toBeInstanceOf(TypeError);
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('rejects with the error of a constructor, and rejects an asynchronous constructor', async () => {
    const { queue } = await field.alone();
    const broken = new Error('broken');
    const reason = queue.sendRegistered('x', () => {
      throw broken;
    });
    expect(await reasonOf(reason)).toBe(broken);
    expect(await reasonOf(queue.sendRegistered('x', (): unknown => turns()))).toBeInstanceOf(TypeError);
    // Its rejection is nobody's: the process would end by it.
    expect(await reasonOf(queue.sendRegistered('x', (): unknown => Promise.reject(broken)))).toBeInstanceOf(
      TypeError,
    );
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('accepts a signal and rejects unknown options', async () => {
    const { queue } = await field.alone();
    const signal = AbortSignal.abort('enough');
    expect(await reasonOf(queue.send('x', { signal }))).toBe('enough');
    expect(await reasonOf(queue.sendRegistered('x', 'y', { signal }))).toBe('enough');
    expect(await reasonOf(queue.send('x', { timeout: 1 } as never))).toBeInstanceOf(TypeError);
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('waits while the send queue is full', async () => {
    const { near, far } = await field.pair({
      far: { unmatched: 'queue' },
      sockets: { highWaterMark: 2000, recvSize: 2000 },
    });
    let sent = 0;
    let last = watch(near.sendRegistered('x', pattern(10_000)));
    for (;;) {
      await turns(20);
      if (last.state === 'pending') break;
      sent += 1;
      last = watch(near.sendRegistered('x', pattern(10_000)));
    }
    expect(near.stats().sendQueue).toBeGreaterThanOrEqual(2000);
    far.start();
    for (let i = 0; i <= sent; i += 1) expect((await far.recv()).length).toBe(10_002);
    await until(() => last.state === 'resolved');
    await near.flush({ timeout: 10_000 });
    expect(near.bufferedAmount).toBe(0);
  });
});

describe('QueueSocket: tasks', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it('are sent in the order of their registration', async () => {
    const { queue, peer } = await field.alone();
    await queue.performTasks();
    expect(queue.stats().messagesSent).toBe(0);
    let round = 0;
    for (const name of ['c', 'a', 'b']) {
      queue.registerTask(name, (writer) => {
        writer.write(Buffer.from(`${name}${round}`));
      });
    }
    for (round = 1; round <= 2; round += 1) {
      await queue.performTasks();
      for (const name of ['c', 'a', 'b']) expect(textOf(await peer.recv())).toBe(`${name}\0${name}${round}`);
    }
    queue.removeTask('a');
    queue.removeTask('never was');
    queue.registerTask('d', () => undefined);
    await queue.performTasks();
    for (const text of ['c\0c3', 'b\0b3', 'd\0']) expect(textOf(await peer.recv())).toBe(text);
  });

  it('that throw or are asynchronous end performTasks', async () => {
    const { queue, peer } = await field.alone();
    const broken = new Error('broken');
    queue.registerTask('a', () => undefined);
    queue.registerTask('b', () => {
      throw broken;
    });
    queue.registerTask('c', () => undefined);
    expect(await reasonOf(queue.performTasks())).toBe(broken);
    queue.registerTask('b', (): unknown => Promise.reject(broken));
    expect(await reasonOf(queue.performTasks())).toBeInstanceOf(TypeError);
    queue.removeTask('b');
    await queue.performTasks();
    for (const text of ['a\0', 'a\0', 'a\0', 'c\0']) expect(textOf(await peer.recv())).toBe(text);
    expect(queue.stats().messagesSent).toBe(4);
  });

  it('are not sent when the socket is gone', async () => {
    const { queue } = await field.alone();
    queue.registerTask('a', () => undefined);
    await queue.close(undefined, { timeout: 0 });
    await failure(queue.performTasks(), 'K4NET_CLOSED');
  });
});

describe('QueueSocket: debug', () => {
  const field = new QueueField();
  afterEach(async () => {
    vi.restoreAllMocks();
    await field.clear();
  });

  it('prints a line for each callback, task and message, without its content', async () => {
    const lines: string[] = [];
    const logger = (line: string): void => void lines.push(line);
    const { near, far } = await field.started({
      near: { debug: true, logger },
      far: { debug: true, logger, unmatched: 'queue' },
    });
    far.registerCallback('chat', () => 'an answer');
    near.registerTask('task', (writer) => {
      writer.write(Buffer.from('secret'));
    });
    void near.sendRegistered('chat', 'secret');
    await until(() => far.stats().callbacksRun === 1);
    await near.performTasks();
    await near.call('chat', 'secret');
    expect(lines).toEqual([
      'Sending registered chat',
      'Performing callback chat',
      'Performing task task',
      'Sending registered task',
      'Calling chat',
      'Performing callback chat',
    ]);
  });

  it('shows unmatched messages, failures and refused calls with the peer and ids, without payloads', async () => {
    const lines: string[] = [];
    const options = { debug: true, logger: (line: string) => lines.push(line), onError: () => undefined };
    const { near, far } = await field.pair({ near: options, far: options });
    far.registerCallback('fails', () => {
      throw new Error('it fails');
    });
    near.start();
    far.start();
    await near.sendRegistered('misspelt', 'secret');
    await near.sendRegistered('fails', 'secret');
    await failure(near.call('fails', 'secret'), 'K4NET_REMOTE');
    await failure(near.call('missing', 'secret'), 'K4NET_REMOTE');
    await failure(near.call('fails', 'secret', { timeout: 0 }), 'K4NET_TIMEOUT');
    const peer = '(peer without an address)';
    expect(lines.filter((line) => line.endsWith(peer))).toEqual([
      `Dropping a message for misspelt, which has no callback ${peer}`,
      `Callback fails failed for a message: Error: it fails ${peer}`,
      `Callback fails failed for request 1: Error: it fails ${peer}`,
      `Call 1 of fails failed at the other end: "it fails" ${peer}`,
      `Refusing request 2: there is no callback missing ${peer}`,
      `Call 2 of missing failed at the other end: "there is no callback 'missing'" K4NET_NO_CALLBACK ${peer}`,
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  it('shows text of the peer without control characters and bidirectional controls', async () => {
    const lines: string[] = [];
    const { queue, peer } = await field.alone({ debug: true, logger: (line) => void lines.push(line) });
    queue.start();
    const call = failure(queue.call('ask'), 'K4NET_REMOTE');
    await peer.recv();
    await peer.send(encodeFailure(1, 'CODE', 'one\n\u009b2J\u202etwo'));
    await call;
    expect(lines.at(-1)).toBe(
      'Call 1 of ask failed at the other end: "one\\n\\u{9b}2J\\u{202e}two" CODE (peer without an address)',
    );
  });

  it('shows that a caller has cancelled its request', async () => {
    const lines: string[] = [];
    const { near, far } = await field.started({ far: { debug: true, logger: (line) => lines.push(line) } });
    far.registerCallback('ask', (_, { signal }) => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    });
    const abort = new AbortController();
    const call = watch(near.call('ask', '', { signal: abort.signal }));
    await until(() => far.stats().callbacksRun === 1);
    abort.abort();
    await until(() => far.stats().requestsInFlight === 0);
    expect(call.state).toBe('rejected');
    expect(lines.at(-1)).toBe('The caller of ask has cancelled request 1 (peer without an address)');
  });

  it('shows the address of the peer where there is one', async () => {
    const overTcp = new QueueField('plain over TCP');
    const lines: string[] = [];
    const logger = (line: string): void => void lines.push(line);
    const { near, far } = await overTcp.started({ far: { debug: true, logger, unmatched: 'drop' } });
    await near.sendRegistered('misspelt');
    await until(() => lines.length > 0);
    expect(lines[0]).toContain(`(peer ${far.remoteAddress})`);
    expect(far.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    await overTcp.clear();
  });

  it('is off by default, and prints to the console without a logger', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const quiet = await field.alone();
    void quiet.queue.sendRegistered('quiet');
    expect(log).not.toHaveBeenCalled();
    const loud = await field.alone({ debug: true });
    void loud.queue.sendRegistered('loud');
    expect(log).toHaveBeenCalledWith('Sending registered loud');
  });

  it('survives a logger that throws', async () => {
    const errors = new Errors();
    const logger = (): void => {
      throw new Error('disk full');
    };
    const { near, far } = await field.started({
      near: { unmatched: 'queue' },
      far: { debug: true, logger, onError: errors.onError },
    });
    let seen = 0;
    far.registerCallback('x', () => void (seen += 1));
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => seen === 3);
    await far.sendRegistered('y');
    expect(textOf(await near.recv())).toBe('y\0');
    expect(errors.kinds).toEqual(Array.from({ length: 4 }, () => 'hook logger'));
  });
});

describe.each(queueCarriers)('QueueSocket, %s: the socket below', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('rejects send and recv of its own', async () => {
    const { near: sock } = await field.sockets();
    const queue = new QueueSocket(sock);
    await failure(sock.send('x'), 'K4NET_STATE');
    await failure(sock.recv(), 'K4NET_STATE');
    await failure(sock.recv({ timeout: 0 }), 'K4NET_STATE');
    await failure(sock.recv(10, 10), 'K4NET_STATE');
    await failure(sock.recvText(), 'K4NET_STATE');
    await failure(sock.end(), 'K4NET_STATE');
    expect(() => sock.tryRecv()).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    expect(() => sock.trySend('x')).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    const loop = async (messages: AsyncIterable<unknown>): Promise<void> => {
      for await (const message of messages) expect.fail(String(message));
    };
    await failure(loop(sock), 'K4NET_STATE');
    await failure(loop(sock.texts()), 'K4NET_STATE');
    await failure(loop(sock.batches()), 'K4NET_STATE');
    expect(queue.readyState).toBe('open');
    expect(queue.stats().messagesSent).toBe(0);
  });

  it('keeps flush, stats, addresses, close and closed', async () => {
    const { near: sock, far: peer } = await field.sockets();
    const { remoteAddress, localAddress } = sock;
    const queue = new QueueSocket(sock);
    queue.start();
    expect([queue.remoteAddress, queue.localAddress]).toEqual([remoteAddress, localAddress]);
    await queue.send('x');
    await sock.flush();
    expect(sock.stats().messagesSent).toBe(1);
    expect(textOf(await peer.recv())).toBe('x');
    const waiting = watch(queue.recv());
    const closing = sock.close();
    await failure(peer.recv(), 'K4NET_CLOSED');
    await peer.close();
    await closing;
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
    await until(() => waiting.state !== 'pending');
    expect(waiting.reason).toMatchObject({ code: 'K4NET_CLOSED' });
    expect(queue.readyState).toBe('closed');
  });

  it('can have one owner only, and no pending recv', async () => {
    const { near, far } = await field.sockets();
    const queue = new QueueSocket(near);
    expect(() => new QueueSocket(near)).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    const waiting = far.recv();
    expect(() => new QueueSocket(far)).toThrow(expect.objectContaining({ code: 'K4NET_STATE' }) as Error);
    void queue.send('x');
    expect(textOf(await waiting)).toBe('x');
    expect(new QueueSocket(far).readyState).toBe('open');
  });

  it('can have been used before, and passes on the messages that it has read', async () => {
    const { near, far } = await field.sockets();
    void near.send('for the socket');
    void near.send('for the queue');
    expect(textOf(await far.recv())).toBe('for the socket');
    const queue = new QueueSocket(far);
    queue.start();
    expect(textOf(await queue.recv())).toBe('for the queue');
  });

  it('keeps the process alive with ref and not with unref', async () => {
    const { near } = await field.pair();
    const before = handles();
    expect(near.unref()).toBe(near);
    expect(handles()).toBe(carrier.endsWith('TCP') ? before - 1 : before);
    expect(near.ref()).toBe(near);
    expect(handles()).toBe(before);
  });
});

describe('QueueSocket: options', () => {
  const field = new QueueField();
  afterEach(() => field.clear());

  it.each([
    [{ dispach: 'auto' }, TypeError, "'dispach'"],
    [{ heartbeat: { every: 1 } }, TypeError, "'every'"],
    [{ dispatch: 'sometimes' }, TypeError, "'sometimes'"],
    [{ unmatched: 'ignore' }, TypeError, "'ignore'"],
    [{ debug: 1 }, TypeError, 'debug'],
    [{ logger: {} }, TypeError, 'logger'],
    [{ onError: 'x' }, TypeError, 'onError'],
    [{ onClose: 1 }, TypeError, 'onClose'],
    [{ onTimeout: [] }, TypeError, 'onTimeout'],
    [{ concurrency: 0 }, RangeError, 'concurrency'],
    [{ concurrency: 1.5 }, RangeError, 'concurrency'],
    [{ requestConcurrency: 0 }, RangeError, 'requestConcurrency'],
    [{ callTimeout: -1 }, RangeError, 'callTimeout'],
    [{ callTimeout: NaN }, RangeError, 'callTimeout'],
    [{ idleTimeout: -1 }, RangeError, 'idleTimeout'],
    [{ maxQueuedBytes: 0 }, RangeError, 'maxQueuedBytes'],
    [{ maxQueuedMessages: -1 }, RangeError, 'maxQueuedMessages'],
    [{ heartbeat: { interval: 0 } }, RangeError, 'interval'],
    [{ heartbeat: { timeout: 0 } }, RangeError, 'timeout'],
    [{ heartbeat: { interval: NaN } }, RangeError, 'interval'],
    [null, TypeError, 'null'],
  ])('%j throw, and the socket stays without an owner', async (options, type, words) => {
    const { near } = await field.sockets();
    const make = (): QueueSocket => new QueueSocket(near, options as never);
    expect(make).toThrow(type);
    expect(make).toThrow(words);
    await near.send('x');
    expect(new QueueSocket(near).readyState).toBe('open');
  });

  it.each([undefined, null, 1, {}, new Uint8Array(1)])('%o throws a TypeError as the socket', (socket) => {
    expect(() => new QueueSocket(socket as never)).toThrow(TypeError);
  });
});

describe.each(queueCarriers)('QueueSocket, %s: messages that are held', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('are handled when their callback with a concurrency of its own was replaced or removed', async () => {
    const { near, far } = await field.started({ far: { dispatch: 'manual', unmatched: 'queue' } });
    const called: string[] = [];
    far.registerCallback('one', () => void called.push('first'), { concurrency: 1 });
    far.registerCallback('two', () => void called.push('gone'), { concurrency: 1 });
    await near.sendRegistered('one');
    await near.sendRegistered('two');
    await until(() => far.stats().callbackQueue.messages === 2);
    far.registerCallback('one', () => void called.push('second'));
    far.removeCallback('two');
    expect(await far.recvRegistered()).toBe(2);
    expect(called).toEqual(['second']);
    expect(textOf(await far.recv())).toBe('two\0');
  });
});

describe.each(queueCarriers)('QueueSocket, %s: an empty message that waits', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it('does not keep the buffer of its neighbours in memory', async () => {
    const { near, far } = await field.started({ far: { dispatch: 'manual' } });
    let kept = -1;
    far.registerCallback('empty', (reader) => {
      kept = reader.data.buffer.byteLength;
    });
    void near.sendRegistered('empty');
    await near.send(new Uint8Array(10_000));
    expect((await far.recv()).length).toBe(10_000);
    expect(await far.recvRegistered()).toBe(1);
    expect(kept).toBe(0);
  });
});

describe.each(queueCarriers)('QueueSocket, %s: a callback of a request', (carrier) => {
  const field = new QueueField(carrier);
  afterEach(() => field.clear());

  it.each([0, 1, 64])('keeps no other received bytes in memory for a payload of %i bytes', async (size) => {
    const { near, far } = await field.started();
    const kept: number[] = [];
    far.registerCallback('ask', (reader) => {
      kept.push(reader.data.buffer.byteLength);
    });
    // All of them and the message come in one run of bytes.
    const answers = Array.from({ length: 4 }, () => near.call('ask', new Uint8Array(size)));
    void near.send(new Uint8Array(10_000));
    await Promise.all(answers);
    expect(kept.length).toBe(4);
    for (const bytes of kept) expect(bytes).toBeLessThanOrEqual(size === 0 ? 0 : 2 * size + 64);
  });
});
