import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { connect } from '../../lib/net/connect.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { python } from '../binary/python.js';
import { run, type Outcome } from '../support/dist.js';
import { frames } from '../support/frames.js';
import { pattern, same, sameAll } from '../support/random.js';
import { useFixture } from '../support/fixture.js';
import { failure, receiveAll, textOf } from '../support/sockets.js';

const fixture = useFixture();

const program = fileURLToPath(new URL('seed_peer.py', import.meta.url));
/** As in the program. */
const sizes = [0, 1, 2, 3, 4, 5, 255, 256, 4095, 4096, 4097, 65535, 65536, 65537, 0, 1048576, 7];
const messages = sizes.map((size, seed) => pattern(size, seed));

/** A Python server for one connection, and ours to it. */
async function toServer(mode: string): Promise<{ sock: LockedSocket; ended: Promise<Outcome> }> {
  let ended: Promise<Outcome> | undefined;
  const port = await new Promise<number>((resolve) => {
    ended = run(python!, [program, 'serve', mode], {
      onOut: (out) => {
        resolve(Number.parseInt(out, 10));
      },
    });
  });
  return { sock: fixture.keep(await connect({ plain: true, port })), ended: ended! };
}

/** The socket of a Python client to our server. */
async function fromClient(mode: string): Promise<{ sock: LockedSocket; ended: Promise<Outcome> }> {
  const server = await fixture.plainServer();
  const { port } = server.address() as { port: number };
  const ended = run(python!, [program, 'connect', mode, `${port}`]);
  const { value } = await server[Symbol.asyncIterator]().next();
  return { sock: fixture.keep(value!), ended };
}

const title = python
  ? 'a Python program that speaks the framing of the seed'
  : 'a Python program that speaks the framing of the seed (skipped: no python3 is installed)';

describe.skipIf(!python)(title, () => {
  describe('as the server', () => {
    it('returns every message of any size, and reads on after our half-close', async () => {
      const { sock, ended } = await toServer('echo');
      for (const message of messages) {
        await sock.send(message);
        expect(same(await sock.recv(), message)).toBe(true);
      }
      await sock.end();
      expect(textOf(await sock.recv())).toBe(`${messages.length} messages`);
      await failure(sock.recv(), 'K4NET_CLOSED');
      await sock.close();
      expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await ended).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringMatching(/clean end\n$/) as string,
      });
    });

    it('returns messages that were sent without waiting', async () => {
      const { sock, ended } = await toServer('echo');
      for (const message of messages) void sock.send(message);
      void sock.end();
      const answers = await receiveAll(sock);
      expect(sameAll(answers.slice(0, -1), messages)).toBe(true);
      expect(textOf(answers.at(-1))).toBe(`${messages.length} messages`);
      expect((await ended).code).toBe(0);
    });

    it('receives exactly the bytes of the framing', async () => {
      const { sock, ended } = await toServer('record');
      for (const message of messages) await sock.send(message);
      await sock.end();
      expect(textOf(await sock.recv())).toBe('recorded');
      await sock.close();
      const wire = frames(messages);
      const digest = createHash('sha256').update(wire).digest('hex');
      const { code, out, err } = await ended;
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out.split('\n')[1]).toBe(`${wire.length} ${digest}`);
    });

    it('receives our closing message last, and then a clean end', async () => {
      const { sock, ended } = await toServer('await_end');
      void sock.send('first');
      await sock.close('bye');
      expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
      const { code, out, err } = await ended;
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out.split('\n')[1]).toBe("['first', 'bye']");
    });
  });

  describe('as the client', () => {
    it('gets every message back, half-closes, and receives the messages that we send after that', async () => {
      const { sock, ended } = await fromClient('speak');
      let count = 0;
      for (; count < messages.length; count += 1) {
        const message = await sock.recv();
        expect(same(message, messages[count]!)).toBe(true);
        await sock.send(message);
      }
      await failure(sock.recv(), 'K4NET_CLOSED');
      await sock.send('after your end');
      await sock.close('bye');
      expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await ended).toEqual({ code: 0, out: "['after your end', 'bye']\n", err: '' });
    });

    it('loses no message if it closes right after the last one', async () => {
      const { sock, ended } = await fromClient('pour');
      expect(sameAll(await receiveAll(sock), messages)).toBe(true);
      expect((await ended).code).toBe(0);
      await sock.close();
      expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it.each(['cut_header', 'cut_message'])(
      'is reported as truncated if it closes inside a message: %s',
      async (mode) => {
        const { sock, ended } = await fromClient(mode);
        expect(textOf(await sock.recv())).toBe('whole');
        await failure(sock.recv(), 'K4NET_TRUNCATED');
        expect((await sock.closed).code).toBe('K4NET_TRUNCATED');
        expect((await ended).code).toBe(0);
      },
    );

    it('receives our closing message and a clean end', async () => {
      const { sock, ended } = await fromClient('await_end');
      await sock.send('é');
      await sock.close('bye');
      expect(await ended).toEqual({ code: 0, out: "['é', 'bye']\n", err: '' });
    });
  });
});
