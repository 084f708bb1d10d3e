// Each quoted title is a sentence of the section "QueueSocket" in the README of the Python library.
// Other specs in this folder test what the sentences leave open.
import { beforeEach, describe, expect, it } from 'vitest';
import { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { TimeoutError } from '../../lib/errors.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { turns } from '../support/recorder.js';
import { ErrorLog } from '../support/queue.js';
import { failure, failureOf, textOf, until, watch } from '../support/sockets.js';
import { tcpKinds, useFixture } from '../support/fixture.js';

describe.each(tcpKinds)('the README of the seed, over a socket that is %s', (kind) => {
  const fixture = useFixture(kind);

  let near: QueueSocket;
  let far: QueueSocket;
  let errors: ErrorLog;

  beforeEach(async () => {
    // The seed calls callbacks when recv_registered is called: here that is `dispatch: 'manual'`.
    errors = new ErrorLog();
    const { onError } = errors;
    const options: QueueSocketOptions = { dispatch: 'manual', onError };
    ({ near, far } = await fixture.queuePair({ near: options, far: options }));
  });

  const start = (): void => {
    near.start();
    far.start();
  };
  /** Waits until so many registered messages are in the queue of the far end. */
  const queued = (count: number): Promise<void> => until(() => far.stats().callbackQueue.messages === count);

  describe('QueueSocket', () => {
    it('"work by ... receiving and storing and therefore getting the received messages from the queue whenever you like"', async () => {
      start();
      for (const text of ['one', 'two', 'three']) await near.send(text);
      // They have arrived although nothing called recv.
      await until(() => far.stats().receiveQueue.messages === 3);
      for (const text of ['one', 'two', 'three']) expect(textOf(await far.recv())).toBe(text);
    });

    it('"They also support registering tasks and callbacks. When sending a registered message, the receiving QueueSocket will call the callback registered to that name."', async () => {
      const calls: string[] = [];
      far.registerCallback('this', (reader) => void calls.push(`this ${reader.readString()}`));
      far.registerCallback('that', (reader) => void calls.push(`that ${reader.readString()}`));
      near.registerTask('that', (writer) => {
        writer.writeString('by a task');
      });
      start();
      await near.sendRegistered('this', 'one\0');
      await near.performTasks();
      await queued(2);
      await far.recvRegistered();
      expect(calls).toEqual(['this one', 'that by a task']);
    });
  });

  describe('__init__(sock, debug = False)', () => {
    it('"Initialises the QueueSocket. The `sock` parameter is an already initialised LockedSocket or EncryptedSocket."', async () => {
      const { near: client, far: server } = await fixture.socketPair();
      expect(client).toBeInstanceOf(kind === 'plain over TCP' ? LockedSocket : EncryptedSocket);
      // Also a socket in use: the handshake is done, and messages went both ways.
      await Promise.all([client.send('before'), server.recv()]);
      const [one, other] = [new QueueSocket(client), new QueueSocket(server)];
      one.start();
      other.start();
      await one.send('after');
      expect(textOf(await other.recv())).toBe('after');
      await Promise.all([one.close(), other.close()]);
    });

    it('"The `debug` parameter will display messages when performing tasks or receiving callbacks."', async () => {
      const lines: string[] = [];
      const options = { debug: true, logger: (line: string) => lines.push(line) };
      const { near: one, far: other } = await fixture.queuePair({ near: options, far: options });
      const called = new Promise<void>((resolve) => {
        other.registerCallback('greet', () => {
          resolve();
        });
      });
      one.registerTask('greet', (writer) => {
        writer.writeString('a secret');
      });
      one.start();
      other.start();
      await one.performTasks();
      await called;
      expect(lines).toContain('Performing task greet');
      expect(lines).toContain('Performing callback greet');
      expect(lines.join()).not.toContain('secret');
      await Promise.all([one.close(), other.close()]);
    });

    it('displays nothing with debug = False', async () => {
      const lines: string[] = [];
      const logger = (line: string): void => void lines.push(line);
      const silent = await fixture.queuePair({ near: { logger }, far: { logger } });
      const called = new Promise<void>((resolve) => {
        silent.far.registerCallback('greet', () => {
          resolve();
        });
      });
      silent.near.start();
      silent.far.start();
      await silent.near.sendRegistered('greet');
      await called;
      expect(lines).toEqual([]);
      await Promise.all([silent.near.close(), silent.far.close()]);
    });
  });

  describe('register_callback(name, callback: Func(BinaryReader))', () => {
    it('"This function registers the callback `callback` to the name `name`."', async () => {
      const seen: unknown[] = [];
      far.registerCallback('position', (reader) => {
        expect(reader).toBeInstanceOf(BinaryReader);
        seen.push(reader.readInt16(), reader.readDouble(), reader.readString());
      });
      start();
      const writer = new BinaryWriter();
      writer.writeInt16(-5);
      writer.writeDouble(0.25);
      writer.writeString('é');
      await near.sendRegistered('position', writer.data);
      await queued(1);
      await far.recvRegistered();
      expect(seen).toEqual([-5, 0.25, 'é']);
    });

    it('replaces the earlier callback when it is called again, as in a dict', async () => {
      const seen: string[] = [];
      far.registerCallback('name', () => void seen.push('first'));
      far.registerCallback('name', () => void seen.push('second'));
      start();
      await near.sendRegistered('name');
      await queued(1);
      await far.recvRegistered();
      expect(seen).toEqual(['second']);
    });
  });

  describe('remove_callback(name)', () => {
    it('"Self-explanatory."', async () => {
      let count = 0;
      far.registerCallback('kept', () => void (count += 1));
      far.registerCallback('gone', () => expect.fail('it was removed'));
      far.removeCallback('gone');
      far.removeCallback('never there');
      start();
      await near.sendRegistered('gone', 'left');
      await near.sendRegistered('kept');
      await queued(1);
      await far.recvRegistered();
      expect(count).toBe(1);
      // The seed drops such a message silently.
      expect(errors.kinds).toEqual(['message gone']);
    });
  });

  describe('register_task(name, constructor: Func(BinaryWriter))', () => {
    it('"Registers the task with name `name` with the constructor `constructor`."', async () => {
      const seen: string[] = [];
      far.registerCallback('a', (reader) => void seen.push(`a ${reader.readUint8()}`));
      far.registerCallback('b', (reader) => void seen.push(`b ${reader.readUint8()}`));
      near.registerTask('b', (writer) => {
        writer.writeUint8(1);
      });
      near.registerTask('a', (writer) => {
        writer.writeUint8(2);
      });
      start();
      await near.performTasks();
      await queued(2);
      await far.recvRegistered();
      // In the order of their registration.
      expect(seen).toEqual(['b 1', 'a 2']);
    });

    it('"This constructor will be called with a `BinaryWriter` parameter to which it should write all needed data."', async () => {
      near.registerTask('data', (writer) => {
        expect(writer).toBeInstanceOf(BinaryWriter);
        writer.writeInt32(-70_000);
        writer.writeString('all that is needed');
      });
      const seen: unknown[] = [];
      far.registerCallback('data', (reader) => {
        seen.push(reader.readInt32(), reader.readString(), reader.remaining);
      });
      start();
      await near.performTasks();
      await queued(1);
      await far.recvRegistered();
      expect(seen).toEqual([-70_000, 'all that is needed', 0]);
    });
  });

  describe('remove_task(name)', () => {
    it('"Self-explanatory."', async () => {
      near.registerTask('gone', () => expect.fail('it was removed'));
      near.registerTask('kept', () => undefined);
      near.removeTask('gone');
      near.removeTask('never there');
      const seen: string[] = [];
      for (const name of ['gone', 'kept']) far.registerCallback(name, () => void seen.push(name));
      start();
      await near.performTasks();
      await queued(1);
      await far.recvRegistered();
      expect(seen).toEqual(['kept']);
    });
  });

  describe('start()', () => {
    it('"Starts the threads of the QueueSocket."', async () => {
      far.registerCallback('early', () => undefined);
      near.start();
      await near.sendRegistered('early');
      await near.send('early too');
      await turns(50);
      expect(far.stats()).toMatchObject({ callbackQueue: { messages: 0 }, receiveQueue: { messages: 0 } });
      await failure(far.recv(), 'K4NET_STATE');
      await failure(far.recvRegistered(), 'K4NET_STATE');
      far.start();
      expect(textOf(await far.recv())).toBe('early too');
      expect(await far.recvRegistered()).toBe(1);
    });
  });

  describe('recv_registered()', () => {
    it('"Receive all messages and perform the corresponding callbacks."', async () => {
      const seen: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        far.registerCallback(name, async (reader) => {
          await turns();
          seen.push(`${name}${reader.readUint8()}`);
        });
      }
      start();
      const sent = Array.from({ length: 30 }, (_, i) => ({ name: 'abc'[i % 3]!, i }));
      for (const { name, i } of sent) await near.sendRegistered(name, Uint8Array.of(i));
      await queued(30);
      await turns(5);
      expect(seen).toEqual([]);
      expect(await far.recvRegistered()).toBe(30);
      // All of them, in order, and each to its end.
      expect(seen).toEqual(sent.map(({ name, i }) => `${name}${i}`));
      expect(await far.recvRegistered()).toBe(0);
    });

    it('can run in a loop beside other loops of the program, as in the seed', async () => {
      let seen = 0;
      far.registerCallback('tick', () => void (seen += 1));
      near.registerTask('tick', () => undefined);
      start();
      for (let round = 1; round <= 5; round += 1) {
        await near.performTasks();
        while (seen < round) await far.recvRegistered();
      }
      expect(seen).toBe(5);
    });
  });

  describe('perform_tasks()', () => {
    it('"Perform the registered tasks."', async () => {
      let count = 0;
      near.registerTask('count', (writer) => {
        writer.writeUint8((count += 1));
      });
      near.registerTask('other', (writer) => {
        writer.writeString('x');
      });
      const seen: unknown[] = [];
      far.registerCallback('count', (reader) => void seen.push(reader.readUint8()));
      far.registerCallback('other', (reader) => void seen.push(reader.readString()));
      start();
      // Every time, and all of them.
      await near.performTasks();
      await near.performTasks();
      await queued(4);
      await far.recvRegistered();
      expect(seen).toEqual([1, 'x', 2, 'x']);
    });
  });

  describe('send_registered(name, data: bytes)', () => {
    it('"Send a registered message to the callback `name` with the data `data`."', async () => {
      const data = Uint8Array.from({ length: 256 }, (_, i) => i);
      const seen: Uint8Array[] = [];
      far.registerCallback('data', (reader) => void seen.push(reader.read(reader.remaining).slice()));
      start();
      await near.sendRegistered('data', data);
      await near.sendRegistered('data', new Uint8Array(0));
      await queued(2);
      await far.recvRegistered();
      expect(seen).toEqual([data, new Uint8Array(0)]);
    });

    it('has no other effect if its name is not registered', async () => {
      let count = 0;
      far.registerCallback('known', () => void (count += 1));
      start();
      await near.sendRegistered('unknown', 'data');
      await near.sendRegistered('known');
      await queued(1);
      expect(await far.recvRegistered()).toBe(1);
      expect(count).toBe(1);
    });
  });

  describe('recv(block = True, timeout = None)', () => {
    it('"Receive from the reception queue."', async () => {
      far.registerCallback('registered', () => undefined);
      start();
      await near.send('one');
      await near.sendRegistered('registered');
      await near.send('two');
      expect(textOf(await far.recv())).toBe('one');
      expect(textOf(await far.recv())).toBe('two');
    });

    it('waits for a message with block = True', async () => {
      start();
      const waiting = watch(far.recv({ block: true }));
      await turns(20);
      expect(waiting.state).toBe('pending');
      await near.send('there it is');
      await until(() => waiting.state === 'resolved');
      expect(textOf(waiting.value)).toBe('there it is');
    });

    it('returns at once with block = False', async () => {
      start();
      expect(await far.recv({ block: false })).toBeUndefined();
      await near.send('now');
      await until(() => far.stats().receiveQueue.messages === 1);
      expect(textOf(await far.recv({ block: false }))).toBe('now');
      expect(await far.recv({ block: false })).toBeUndefined();
    });

    it('waits no longer than its timeout, and loses nothing', async () => {
      start();
      await failureOf(far.recv({ timeout: 10 }), TimeoutError);
      await failureOf(far.recv({ block: true, timeout: 0 }), TimeoutError);
      await near.send('later');
      expect(textOf(await far.recv({ timeout: 30_000 }))).toBe('later');
    });
  });

  describe('send(data: bytes)', () => {
    it('"Place into the sending queue."', async () => {
      start();
      // Nobody waits for one before the next is placed, and they go in order.
      const texts = Array.from({ length: 100 }, (_, i) => `message ${i}`);
      for (const text of texts) void near.send(text);
      for (const text of texts) expect(textOf(await far.recv())).toBe(text);
    });
  });

  describe('close()', () => {
    it('"Close the socket."', async () => {
      start();
      void near.send('the last thing said');
      const waiting = failure(near.recv(), 'K4NET_CLOSED');
      await near.close();
      await waiting;
      expect(near.readyState).toBe('closed');
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
      await failure(near.send('more'), 'K4NET_CLOSED');
      expect(textOf(await far.recv())).toBe('the last thing said');
      await failure(far.recv(), 'K4NET_CLOSED');
      expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
    });
  });
});
