import { describe, expect, it, vi } from 'vitest';
import {
  clientTable,
  serverTable,
  sessionTable,
  type ClientChoices,
  type ServerChoices,
  type SessionChoices,
  type UnsetClient,
  type UnsetServer,
  type UnsetSession,
} from '../../lib/sockets/encrypted-socket-options.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { clientPlan, serverPlan } from '../../lib/sockets/lazy-plan.js';
import type { PeerPlan } from '../../lib/sockets/session-plan.js';
import { checkOptions, type OptionTable } from '../../lib/util/options.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { keys } from '../support/keys.js';

type Client = ClientChoices & SessionChoices;
type Server = ServerChoices & SessionChoices;

const asClient: OptionTable<Client, UnsetClient | UnsetSession> = { ...clientTable, ...sessionTable };
const asServer: OptionTable<Server, UnsetServer | UnsetSession> = { ...serverTable, ...sessionTable };
const recvSize = 65_536;

const planOfClient = (options: Client): PeerPlan =>
  clientPlan({ ...checkOptions('a client', options, asClient), recvSize });
const planOfServer = (options: Server): PeerPlan =>
  serverPlan({ ...checkOptions('a server', options, asServer), recvSize });

/** Encrypted sockets as a browser has them. */
const clientOver = (transport: Transport, options: Client): EncryptedSocket =>
  new EncryptedSocket(transport, {}, planOfClient(options));
const serverOver = (transport: Transport, options: Server): EncryptedSocket =>
  new EncryptedSocket(transport, {}, planOfServer(options));

describe('an EncryptedSocket in the build for browsers', () => {
  it('completes a handshake in both roles, and knows its peer', async () => {
    const [left, right] = memoryPair();
    const server = serverOver(right, { key: keys.server });
    const client = clientOver(left, { pin: keys.server.fingerprint });
    const [peer] = await Promise.all([client.handshake(), server.handshake()]);
    expect(peer).toMatchObject({ how: 'pin', authenticated: true, fingerprint: keys.server.fingerprint });
    expect(client.peer).toEqual(peer);
    expect(server.peer).toMatchObject({ how: 'none' });
    await Promise.all([client.close(), server.close()]);
  });

  it.each([
    [{ pin: 'sha256:1' }, 'a fingerprint '],
    [{ pin: [], insecureAcceptAnyKey: true }, 'exclude each other'],
    [{ insecureAcceptAnyKey: true, padding: 'block:0' as const }, 'padding '],
  ])('fails the handshake with K4NET_STATE for the options %j', async (options, why) => {
    const socket = clientOver(memoryPair()[0], options);
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
    const socket = clientOver(left, { pin: '' });
    await socket.send('secret');
    await expect(socket.recv()).rejects.toMatchObject({ code: 'K4NET_STATE' });
    right.end();
    await end;
    expect(received).toEqual([]);
  });

  it('has the handshakeTimeout of the options before its code is loaded', () => {
    expect(planOfClient({ handshakeTimeout: 70 }).timeout).toBe(70);
    expect(planOfClient({}).timeout).toBe(10_000);
  });

  it('fails the handshake with K4NET_CONNECTION if its code cannot be loaded', async () => {
    vi.doMock('../../lib/sockets/session-plan.js', () => {
      throw new Error('offline');
    });
    try {
      const socket = clientOver(memoryPair()[0], { insecureAcceptAnyKey: true });
      const message = 'the code of the handshake could not be loaded';
      await expect(socket.handshake()).rejects.toMatchObject({ code: 'K4NET_CONNECTION', message });
    } finally {
      vi.doUnmock('../../lib/sockets/session-plan.js');
    }
  });
});
