import { describe, expect, it, vi } from 'vitest';
import type { EncryptedSocketOptions } from '../../lib/sockets/encrypted-socket-options.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { planOf } from '../../lib/sockets/lazy-plan.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { keys } from '../support/encrypted.js';

/** An encrypted socket as a browser has it. */
const socketOver = (transport: Transport, options: EncryptedSocketOptions): EncryptedSocket =>
  new EncryptedSocket(transport, {}, planOf(options));

describe('an EncryptedSocket in the build for browsers', () => {
  it('completes a handshake in both roles, and knows its peer', async () => {
    const [left, right] = memoryPair();
    const server = socketOver(right, { isServer: true, key: keys.server });
    const client = socketOver(left, { pin: keys.server.fingerprint });
    const [peer] = await Promise.all([client.handshake(), server.handshake()]);
    expect(peer).toMatchObject({ how: 'pin', authenticated: true, fingerprint: keys.server.fingerprint });
    expect(client.peer).toEqual(peer);
    expect(server.peer).toMatchObject({ how: 'none' });
    await Promise.all([client.close(), server.close()]);
  });

  it.each([
    [{ pin: 'sha256:1' }, 'a fingerprint is'],
    [{ pin: [], insecureAcceptAnyKey: true }, 'exclude each other'],
    [{ isServer: true as const, key: 'no key' }, 'key: '],
    [{ insecureAcceptAnyKey: true, padding: 'block:0' as const }, 'padding is'],
  ])('fails the handshake with K4NET_STATE for the options %j', async (options, why) => {
    const socket = socketOver(memoryPair()[0], options);
    const error = await socket.handshake().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'K4NET_STATE', message: expect.stringContaining(why) as string });
    await expect(socket.recv()).rejects.toMatchObject({ code: 'K4NET_STATE' });
  });

  it('writes no message and no unit if an option is invalid, only an end', async () => {
    const [left, right] = memoryPair();
    const received: number[] = [];
    const end = new Promise<void>((resolve) => {
      const data = (chunk: Uint8Array): boolean => (received.push(...chunk), true);
      right.attach({ data, drain: () => undefined, end: resolve, close: () => undefined });
    });
    const socket = socketOver(left, { pin: '' });
    await socket.send('secret');
    await expect(socket.recv()).rejects.toMatchObject({ code: 'K4NET_STATE' });
    right.end();
    await end;
    expect(received).toEqual([]);
  });

  it('throws a RangeError in the constructor for an invalid handshakeTimeout', () => {
    expect(() => planOf({ handshakeTimeout: -1 })).toThrow(RangeError);
    expect(planOf({}).timeout).toBe(10_000);
  });

  it('fails the handshake with K4NET_CONNECTION if its code cannot be loaded', async () => {
    vi.doMock('../../lib/sockets/session-plan.js', () => {
      throw new Error('offline');
    });
    try {
      const socket = socketOver(memoryPair()[0], { insecureAcceptAnyKey: true });
      const message = 'the code of the handshake could not be loaded';
      await expect(socket.handshake()).rejects.toMatchObject({ code: 'K4NET_CONNECTION', message });
    } finally {
      vi.doUnmock('../../lib/sockets/session-plan.js');
    }
  });
});
