import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import { TimeoutError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { python } from '../binary/python.js';
import { run, type Outcome } from '../support/dist.js';
import { frames } from '../support/frames.js';
import { pattern, same } from '../support/random.js';
import { useFixture } from '../support/fixture.js';
import { failure, failureOf, textOf } from '../support/sockets.js';

const fixture = useFixture();

const program = fileURLToPath(new URL('seed_queue_peer.py', import.meta.url));
const recorder = fileURLToPath(new URL('seed_peer.py', import.meta.url));

/** A Python program at the other end, and what will have become of it. */
interface Meeting {
  readonly sock: LockedSocket;
  readonly ended: Promise<Outcome>;
}

/** A Python server for one connection, and ours to it. */
async function toServer(mode: string, of: string = program): Promise<Meeting> {
  let ended: Promise<Outcome> | undefined;
  const port = await new Promise<number>((resolve) => {
    ended = run(python!, [of, 'serve', mode], {
      onOut: (out) => {
        resolve(Number.parseInt(out, 10));
      },
    });
  });
  return { sock: fixture.keep(await connect({ plain: true, port })), ended: ended! };
}

/** The socket of a Python client to our server. */
async function fromClient(mode: string): Promise<Meeting> {
  const server = await fixture.plainServer();
  const { port } = server.address() as { port: number };
  const ended = run(python!, [program, 'connect', mode, `${port}`]);
  const { value } = await server[Symbol.asyncIterator]().next();
  return { sock: fixture.keep(value!), ended };
}

const roles = [
  ['listens', toServer],
  ['connects', fromClient],
] as const;

/** The payload of the next message of each name that the other end sends. */
class Mailbox {
  readonly #waiting = new Map<string, (reader: BinaryReader) => void>();
  readonly #queue: QueueSocket;

  constructor(queue: QueueSocket) {
    this.#queue = queue;
  }

  /** Sends a registered message and resolves with the answer of the same or the given name. */
  ask(name: string, payload?: (writer: BinaryWriter) => void, back: string = name): Promise<BinaryReader> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(back, resolve);
      this.#queue.registerCallback(back, (reader) => {
        this.#waiting.get(back)?.(reader);
      });
      this.#queue.sendRegistered(name, payload).catch(reject);
    });
  }
}

function queueOver(sock: LockedSocket, options: QueueSocketOptions = {}) {
  const queue = new QueueSocket(sock, options);
  return { queue, mail: new Mailbox(queue) };
}

/** Counts of the control messages of each type, and of messages of a name, that Python ignored. */
async function ignored(mail: Mailbox, name: string = '') {
  const reader = await mail.ask('ignored', (writer) => {
    writer.write(new TextEncoder().encode(name));
  });
  const [requests, answers, failures, cancels, keepalives, named] = reader.readStruct('6I') as number[];
  return { requests, answers, failures, cancels, keepalives, named };
}

const title = python
  ? 'a Python program that speaks the registered messages of the seed'
  : 'a Python program that speaks the registered messages of the seed (skipped: no python3 is installed)';

describe.skipIf(!python)(title, () => {
  describe.each(roles)('and a QueueSocket that %s', (_, meet) => {
    it('exchange integers, floats, strings and bytes by callbacks in both directions', async () => {
      const { sock, ended } = await meet('converse');
      const { queue, mail } = queueOver(sock);
      queue.start();

      const ints = await mail.ask('ints', (writer) => {
        writer.writeStruct(
          'bBhHiIqQ?',
          -100,
          200,
          -30_000,
          60_000,
          -2e9,
          4e9,
          -(2n ** 62n),
          2n ** 63n + 8n,
          true,
        );
      });
      expect(ints.readStruct('bBhHiIqQ?')).toEqual([
        100,
        100,
        30_000,
        30_000,
        2e9,
        2e9,
        2n ** 62n,
        2n ** 62n + 4n,
        false,
      ]);
      const floats = await mail.ask('floats', (writer) => {
        writer.writeFloat(0.625);
        writer.writeDouble(0.1);
      });
      expect([floats.readFloat(), floats.readDouble(), floats.remaining]).toEqual([1.25, 0.1 / 3, 0]);
      const strings = await mail.ask('strings', (writer) => {
        writer.writeString('größer');
        writer.writeString('señor 木');
      });
      expect([strings.readString(), strings.readString(), strings.remaining]).toEqual([
        'SEÑOR 木',
        'größer',
        0,
      ]);
      for (const size of [0, 1, 255, 65_536, 1_000_000]) {
        const bytes = pattern(size, 3);
        const raw = await mail.ask('raw', (writer) => {
          writer.write(bytes);
        });
        expect(same(raw.read(), bytes.slice().reverse())).toBe(true);
      }

      await queue.close();
      expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await ended).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringMatching(/clean end\n$/) as string,
      });
    });

    it("call each other's callbacks with tasks", async () => {
      const { sock, ended } = await meet('converse');
      const { queue, mail } = queueOver(sock);
      const seen: [number, number][] = [];
      for (let i = 0; i < 20; i += 1) {
        queue.registerCallback(`task ${i}`, (reader) => {
          seen.push([reader.readUint(), reader.readDouble()]);
        });
      }
      queue.start();
      await mail.ask(
        'tasks',
        (writer) => {
          writer.writeUint(20);
        },
        'tasks done',
      );
      expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i, i / 8]));

      const back: number[] = [];
      queue.registerCallback('floats', (reader) => void back.push(reader.readFloat()));
      queue.registerCallback('raw', (reader) => void back.push(...reader.read()));
      queue.registerTask('floats', (writer) => {
        writer.writeStruct('fd', 4.5, 0);
      });
      queue.registerTask('raw', (writer) => {
        writer.writeUbyteArray([1, 2, 3]);
      });
      queue.registerTask('gone', () => expect.fail('it was removed'));
      queue.removeTask('gone');
      await queue.performTasks();
      await queue.performTasks();
      // The last request gets the last answer.
      await ignored(mail);
      expect(back).toEqual([9, 3, 2, 1, 9, 3, 2, 1]);
      await queue.close();
      expect(await ended).toMatchObject({ code: 0, err: '' });
    });

    it('keep working after a call that times out because the Python side ignores it', async () => {
      const { sock, ended } = await meet('converse');
      const { queue, mail } = queueOver(sock, { heartbeat: { interval: 5, timeout: 60_000 } });
      queue.start();
      await queue.sendRegistered('nobody', 'x');
      await failureOf(queue.call('ints', 'x', { timeout: 20 }), TimeoutError);
      const controller = new AbortController();
      await failureOf(
        queue.call('floats', undefined, { timeout: 20, signal: controller.signal }),
        TimeoutError,
      );
      // One that is aborted after it was sent, and one that is not.
      const aborted = queue.call('strings', undefined, { signal: controller.signal });
      controller.abort('enough');
      await expect(aborted).rejects.toBe('enough');
      await expect(queue.call('strings', undefined, { signal: controller.signal })).rejects.toBe('enough');
      expect(queue.stats().callsInFlight).toBe(0);
      // And it can still be talked to.
      const raw = await mail.ask('raw', (writer) => {
        writer.writeUbyteArray([1, 2]);
      });
      expect([...raw.read()]).toEqual([2, 1]);
      expect(await ignored(mail, 'nobody')).toMatchObject({
        requests: 3,
        cancels: 3,
        answers: 0,
        failures: 0,
        named: 1,
      });
      // Sends keepalives while it sends nothing else.
      while ((await ignored(mail)).keepalives! < 2) await setTimeout(10);
      await queue.close();
      expect(await ended).toMatchObject({ code: 0, err: '' });
    });

    it('deliver all tasks of a Python side that sends first and ends', async () => {
      const { sock, ended } = await meet('introduce');
      const { queue } = queueOver(sock, { unmatched: 'queue' });
      const seen: unknown[] = [];
      queue.registerCallback('counter', (reader) => void seen.push(reader.readLonglong()));
      queue.registerCallback('pi', (reader) => void seen.push(reader.readFloat(), reader.readDouble()));
      queue.registerCallback('name', (reader) => void seen.push(reader.readString()));
      queue.registerCallback('last', (reader) => void seen.push([...reader.read()]));
      queue.start();
      expect(textOf(await queue.recv())).toBe('nobody\0left');
      expect(textOf(await queue.recv())).toBe('\0not named');
      await failure(queue.recv(), 'K4NET_CLOSED');
      expect(await queue.closed).toEqual({ code: 'K4NET_CLOSED' });
      const round = (step: bigint) => [-step, 3.25, Math.PI, 'Zoë'];
      expect(seen).toEqual([...round(1n), ...round(2n), ...round(3n), [0, 0]]);
      expect(await ended).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringMatching(/clean end\n$/) as string,
      });
    });
  });

  it('the Python queue receives exactly the bytes of registered messages', async () => {
    const { sock, ended } = await toServer('record', recorder);
    const { queue } = queueOver(sock);
    queue.start();
    queue.registerTask('task', (writer) => {
      writer.writeInt(-2);
      writer.writeString('é');
    });
    await queue.sendRegistered('a name', Uint8Array.of(0, 1, 2));
    await queue.sendRegistered('n');
    await queue.performTasks();
    await queue.send('raw');
    await queue.close('bye');
    const wire = frames([
      'a name\0\0\x01\x02',
      'n\0',
      Uint8Array.from([...Buffer.from('task\0'), 0xfe, 0xff, 0xff, 0xff, 0xc3, 0xa9, 0]),
      'raw',
      'bye',
    ]);
    const { code, out, err } = await ended;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n')[1]).toBe(`${wire.length} ${createHash('sha256').update(wire).digest('hex')}`);
  });
});
