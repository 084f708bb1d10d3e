import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { K4netErrorCode } from '../../lib/errors.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { frame, frames, header } from '../support/frames.js';
import { pattern, Random, same, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { listening } from '../support/streams.js';
import { failure, textOf, until } from '../support/sockets.js';

const kib = 1024;
const mib = 1024 * kib;
const maxSize = 100 * kib;

/** The result of one connection at the server. */
interface Victim {
  readonly sock: LockedSocket;
  readonly messages: Uint8Array[];
  /** The error of its loop over the messages, undefined for a clean end. */
  readonly loop: Promise<unknown>;
}

/** Checks that the next connection is served as usual. */
type Manner = 'echo' | 'read' | 'leave alone';

const server = createServer({ allowHalfOpen: true });
let port = 0;
let manner: Manner = 'echo';
let accepted: (victim: Victim) => void = () => undefined;
const opened: Socket[] = [];
const crashes: unknown[] = [];
const onCrash = (reason: unknown): void => void crashes.push(reason);

server.on('connection', (stream) => {
  const sock = new LockedSocket(stream, { maxSize });
  const messages: Uint8Array[] = [];
  const serve = async (): Promise<void> => {
    if (manner === 'leave alone') return;
    const echo = manner === 'echo';
    for await (const message of sock) {
      messages.push(message);
      if (echo) await sock.send(message);
    }
  };
  const loop = serve().catch((reason: unknown) => reason);
  accepted({ sock, messages, loop });
});

beforeAll(async () => {
  process.on('unhandledRejection', onCrash);
  process.on('uncaughtExceptionMonitor', onCrash);
  port = await listening(server, { port: 0, host: '127.0.0.1' });
});

afterAll(() => {
  process.off('unhandledRejection', onCrash);
  process.off('uncaughtExceptionMonitor', onCrash);
  server.close();
});

beforeEach(() => {
  manner = 'echo';
});

afterEach(async () => {
  for (const stream of opened.splice(0)) stream.destroy();
  // The next client is served as usual.
  manner = 'echo';
  const good = new LockedSocket((await dial()).raw);
  await good.send('are you well?');
  expect(await good.recvText()).toBe('are you well?');
  await good.close();
  expect(await good.closed).toEqual({ code: 'K4NET_CLOSED' });
  await turns(3);
  expect(crashes).toEqual([]);
});

async function dial(): Promise<{ raw: Socket; victim: Victim }> {
  const victim = new Promise<Victim>((resolve) => (accepted = resolve));
  const raw = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  raw.on('error', () => undefined);
  opened.push(raw);
  await once(raw, 'connect');
  return { raw, victim: await victim };
}

/** Writes, and waits until the system has the bytes: the next write is a packet of its own. */
const write = (raw: Socket, bytes: Uint8Array | string): Promise<void> =>
  new Promise((resolve) => {
    raw.write(bytes, () => {
      resolve();
    });
  });

/** Waits until the server has received this many bytes. */
const seen = (victim: Victim, bytes: number): Promise<void> =>
  until(() => victim.sock.stats().bytesReceived >= bytes || victim.sock.readyState === 'closed');

/**
 * A TLS client's first record as any browser sends it: handshake, version, length, client hello,
 * and so on.
 */
const tlsHello = Uint8Array.from([
  0x16,
  0x03,
  0x01,
  0x02,
  0x00,
  0x01,
  0x00,
  0x01,
  0xfc,
  0x03,
  0x03,
  ...pattern(500),
]);

interface Case {
  /** The rule under test. */
  readonly rule: string;
  readonly attack: (raw: Socket, victim: Victim) => unknown;
  /** How the socket ends. */
  readonly code: K4netErrorCode;
  /** The messages that were delivered before. */
  readonly messages?: readonly (Uint8Array | string)[];
  /** The properties of the error. */
  readonly error?: object;
  readonly manner?: Manner;
}

const cases: readonly Case[] = [
  {
    rule: 'an end without any byte is a clean end',
    attack: (raw) => raw.end(),
    code: 'K4NET_CLOSED',
  },
  {
    rule: 'a reset at once is a broken connection',
    attack: (raw) => raw.resetAndDestroy(),
    code: 'K4NET_CONNECTION',
    error: { cause: { code: 'ECONNRESET' } },
  },
  {
    rule: 'an HTTP request is named as text',
    attack: (raw) => raw.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    code: 'K4NET_NOT_K4NET',
    error: { cause: { size: 0x20544547, limit: maxSize } },
  },
  {
    rule: 'a TLS hello is named as TLS',
    attack: (raw) => raw.write(tlsHello),
    code: 'K4NET_NOT_K4NET',
    error: { cause: { size: 0x02010316, limit: maxSize } },
  },
  {
    rule: 'a line of SSH is named as text',
    attack: (raw) => raw.write('SSH-2.0-OpenSSH_9.6\r\n'),
    code: 'K4NET_NOT_K4NET',
  },
  {
    rule: 'the longest length there is',
    attack: (raw) => raw.write(header(0xffff_ffff)),
    code: 'K4NET_TOO_LARGE',
    error: { size: 0xffff_ffff, limit: maxSize },
  },
  {
    rule: 'a length that a signed reader would take for negative',
    attack: (raw) => raw.write(header(0x8000_0000)),
    code: 'K4NET_TOO_LARGE',
    error: { size: 0x8000_0000 },
  },
  {
    rule: 'the longest length there is, byte by byte, with a body',
    attack: async (raw, victim) => {
      for (let i = 1; i <= 4; i += 1) {
        await write(raw, new Uint8Array([0xff]));
        await seen(victim, i);
      }
      raw.write(pattern(100_000));
    },
    code: 'K4NET_TOO_LARGE',
  },
  {
    rule: 'one byte over the limit, after messages that are not',
    attack: (raw) => raw.write(Buffer.concat([frames(['one', '', 'three']), header(maxSize + 1)])),
    code: 'K4NET_TOO_LARGE',
    messages: ['one', '', 'three'],
    error: { size: maxSize + 1, limit: maxSize },
    // An echo would fail at its first send, because the socket is broken before the first message
    // is received.
    manner: 'read',
  },
  {
    rule: 'exactly the limit is a message like any other',
    attack: (raw) => raw.end(frame(pattern(maxSize))),
    code: 'K4NET_CLOSED',
    messages: [pattern(maxSize)],
  },
  {
    rule: 'half a header, then the end',
    attack: (raw) => raw.end(header(5).subarray(0, 2)),
    code: 'K4NET_TRUNCATED',
  },
  {
    rule: 'one byte, then the end',
    attack: (raw) => raw.end(new Uint8Array(1)),
    code: 'K4NET_TRUNCATED',
  },
  {
    rule: 'a header only, then the end',
    attack: (raw) => raw.end(header(5)),
    code: 'K4NET_TRUNCATED',
  },
  {
    rule: 'half a body, then the end, after whole messages',
    attack: (raw) => raw.end(Buffer.concat([frames(['a', 'b']), frame('half').subarray(0, 6)])),
    code: 'K4NET_TRUNCATED',
    messages: ['a', 'b'],
  },
  {
    rule: 'half a body, then a reset, after whole messages',
    attack: async (raw, victim) => {
      raw.write(Buffer.concat([frames(['a', 'b']), frame('half').subarray(0, 6)]));
      await seen(victim, 16);
      raw.resetAndDestroy();
    },
    code: 'K4NET_CONNECTION',
    messages: ['a', 'b'],
    error: { cause: { code: 'ECONNRESET' } },
  },
  {
    rule: 'all but the last byte of a long message, then the end',
    attack: (raw) => raw.end(frame(pattern(maxSize)).subarray(0, maxSize + 3)),
    code: 'K4NET_TRUNCATED',
  },
  {
    rule: 'a trickle, byte by byte, is the messages it holds',
    attack: async (raw, victim) => {
      const bytes = frames(['slow', '', pattern(100)]);
      for (let i = 0; i < bytes.length; i += 1) {
        await write(raw, bytes.subarray(i, i + 1));
        await seen(victim, i + 1);
      }
      raw.end();
    },
    code: 'K4NET_CLOSED',
    messages: ['slow', '', pattern(100)],
  },
  {
    rule: 'thousands of tiny writes are the messages they hold',
    attack: (raw) => {
      const bytes = frames(Array.from({ length: 2000 }, (_, i) => String(i)));
      for (let i = 0; i < bytes.length; i += 3) raw.write(bytes.subarray(i, i + 3));
      raw.end();
    },
    code: 'K4NET_CLOSED',
    messages: Array.from({ length: 2000 }, (_, i) => String(i)),
  },
  {
    rule: 'a flood of empty messages is a flood of empty messages',
    attack: (raw) => raw.end(new Uint8Array(4 * 50_000)),
    code: 'K4NET_CLOSED',
    messages: Array.from({ length: 50_000 }, () => ''),
    manner: 'read',
  },
  {
    rule: 'an end, an answer that is read, then a reset that comes too late',
    attack: async (raw) => {
      raw.end(frame('question'));
      const [answer] = (await once(raw, 'data')) as [Buffer];
      expect(same(answer, frame('question'))).toBe(true);
      raw.resetAndDestroy();
    },
    code: 'K4NET_CLOSED',
    messages: ['question'],
  },
  {
    rule: 'a peer that never reads its answers, then leaves',
    attack: async (raw, victim) => {
      raw.pause();
      const message = frame(pattern(maxSize));
      // The echo stops when the buffers of the other direction are full, and then everything stops.
      let before = -1;
      for (let still = 0; still < 100; still += 1) {
        if (raw.writableLength < mib) raw.write(message);
        const now = victim.sock.stats().bytesSent;
        if (now !== before) still = 0;
        before = now;
        await turns();
      }
      expect(victim.sock.bufferedAmount).toBeLessThanOrEqual(256 * kib + maxSize + 4);
      raw.resetAndDestroy();
    },
    code: 'K4NET_CONNECTION',
  },
];

describe('a server of plain sockets and a hostile peer', () => {
  it.each(cases)('follows the rule: $rule', async ({ attack, code, messages, error, manner: how }) => {
    manner = how ?? 'echo';
    const { raw, victim } = await dial();
    // Reads and drops the answers: another case covers a peer that does not.
    raw.resume();
    await attack(raw, victim);
    const info = await victim.sock.closed;
    expect(info.code).toBe(code);
    if (error) expect(info.error).toMatchObject(error);
    const thrown = await victim.loop;
    // The loop ends cleanly or throws the error that ended the socket.
    if (code === 'K4NET_CLOSED') expect(thrown).toBeUndefined();
    else expect(thrown).toBe(info.error);
    if (messages) {
      const expected = messages.map((message) => Uint8Array.from(Buffer.from(message)));
      expect(sameAll(victim.messages, expected)).toBe(true);
    }
    if (!raw.destroyed) {
      raw.end();
      await new Promise((resolve) => raw.once('close', resolve));
    }
  });

  it('end with a typed error for any random bytes', async () => {
    const codes = new Set<string>();
    for (let seed = 0; seed < 60; seed += 1) {
      const random = new Random(seed);
      const { raw, victim } = await dial();
      raw.resume();
      const bytes = random.bytes(1 + random.below(300));
      // Some look like a message at first, so that not all end at the first header.
      if (seed % 3 > 0) bytes.fill(0, 1, 4);
      raw.end(bytes);
      codes.add((await victim.sock.closed).code);
    }
    for (const code of codes) {
      expect(['K4NET_TOO_LARGE', 'K4NET_NOT_K4NET', 'K4NET_TRUNCATED', 'K4NET_CLOSED']).toContain(code);
    }
    expect(codes).toContain('K4NET_TOO_LARGE');
    expect(codes).toContain('K4NET_TRUNCATED');
  });
});

describe('the memory of a server of plain sockets', () => {
  it('stays small under a flood of empty messages that nobody reads', async () => {
    manner = 'leave alone';
    const { raw, victim } = await dial();
    const flood = new Uint8Array(mib);
    const before = process.memoryUsage().rss;
    let received = -1;
    for (let still = 0; still < 100; still += 1) {
      if (raw.writableLength < mib) raw.write(flood);
      const now = victim.sock.stats().bytesReceived;
      if (now !== received) still = 0;
      received = now;
      await turns();
    }
    // 256 KiB and the chunk that exceeded the limit.
    expect(received).toBeLessThanOrEqual(256 * kib + 64 * kib);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * mib);
    // The buffer has complete messages only, and each can be received.
    for (let i = 0; i < 1000; i += 1) expect((await victim.sock.recv({ timeout: 0 })).length).toBe(0);
    raw.destroy();
    await victim.sock.close(undefined, { timeout: 0 });
  });

  it('stays small for long messages that are announced and never sent', async () => {
    const before = process.memoryUsage();
    const victims: Victim[] = [];
    for (let i = 0; i < 200; i += 1) {
      const { raw, victim } = await dial();
      await write(raw, header(maxSize));
      victims.push(victim);
    }
    for (const victim of victims) await seen(victim, 4);
    const after = process.memoryUsage();
    // The headers announce 20 MB.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 * mib);
    for (const raw of opened.splice(0)) raw.resetAndDestroy();
    for (const victim of victims) expect((await victim.sock.closed).code).toBe('K4NET_CONNECTION');
  });
});

describe('a server of plain sockets and a slow peer', () => {
  it('times out in recv inside a message, and can close the socket', async () => {
    manner = 'leave alone';
    const { raw, victim } = await dial();
    await write(raw, frame('never whole').subarray(0, 8));
    await seen(victim, 8);
    await failure(victim.sock.recv({ timeout: 2 }), 'K4NET_TIMEOUT');
    await victim.sock.close('too slow', { timeout: 2 });
    expect((await victim.sock.closed).code).toBe('K4NET_TIMEOUT');
  });

  it('cuts a peer that keeps sending to a closing socket, after the closing message', async () => {
    manner = 'leave alone';
    const { raw, victim } = await dial();
    const got: Buffer[] = [];
    raw.on('data', (chunk) => got.push(chunk));
    const random = new Random(5);
    const flood = async (): Promise<void> => {
      while (!raw.destroyed) {
        if (raw.writableLength < mib) raw.write(random.bytes(1000));
        await turns();
      }
    };
    await write(raw, frame('first'));
    expect(await victim.sock.recvText()).toBe('first');
    const flooding = flood();
    await victim.sock.close('enough', { timeout: 30 });
    expect((await victim.sock.closed).code).toBe('K4NET_TIMEOUT');
    await flooding;
    expect(textOf(Buffer.concat(got).subarray(4))).toBe('enough');
  });
});
