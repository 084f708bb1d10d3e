import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { useFixture } from '../support/fixture.js';
import { receiveAll } from '../support/sockets.js';

const fixture = useFixture();

interface Vector {
  readonly message: string;
  readonly bytes: string;
}

const file = readFileSync(new URL('../vectors/seed-wire.json', import.meta.url), 'utf8');
const vectors = (JSON.parse(file) as { frames: Vector[] }).frames;

/** The bytes that a socket sends for these messages, up to its end. */
async function written(messages: readonly Uint8Array[]): Promise<Buffer> {
  const { near, far } = await fixture.tcpStreams();
  const sock = new LockedSocket(near);
  for (const message of messages) void sock.send(message);
  void sock.end();
  const wire = await buffer(far);
  return wire;
}

/** The messages that a socket makes of these bytes. */
async function read(wire: readonly Buffer[]): Promise<Buffer[]> {
  const { near, far } = await fixture.tcpStreams();
  const reading = receiveAll(new LockedSocket(near));
  for (const part of wire) if (!far.write(part)) await once(far, 'drain');
  far.end();
  const messages = await reading;
  return messages.map((message) => Buffer.from(message));
}

describe('the frames that the seed library writes', () => {
  it('are all covered by this suite', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(4);
    expect(new Set(vectors.map(({ message }) => message)).size).toBe(vectors.length);
  });

  it.each(vectors.map(({ message, bytes }) => ({ size: message.length / 2, message, bytes })))(
    'are written and read by a socket: $size bytes',
    async ({ message, bytes }) => {
      const content = Buffer.from(message, 'hex');
      const wire = Buffer.from(bytes, 'hex');
      expect((await written([content])).equals(wire)).toBe(true);
      expect((await read([wire])).map((each) => each.equals(content))).toEqual([true]);
    },
  );

  it('are read from one stream, however it is split', async () => {
    const contents = vectors.map(({ message }) => Buffer.from(message, 'hex'));
    const wire = Buffer.concat(vectors.map(({ bytes }) => Buffer.from(bytes, 'hex')));
    expect((await written(contents)).equals(wire)).toBe(true);
    for (const step of [1, 3, 1000, wire.length]) {
      const parts: Buffer[] = [];
      for (let at = 0; at < wire.length; at += step) parts.push(wire.subarray(at, at + step));
      expect(Buffer.concat(await read(parts)).equals(Buffer.concat(contents))).toBe(true);
    }
  });
});
