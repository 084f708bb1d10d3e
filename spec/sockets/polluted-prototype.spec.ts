import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../lib/crypto/key-pair.js';
import { K4netError, KeyMismatchError } from '../../lib/errors.js';
import { addressTable } from '../../lib/net/address.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import { queueSocketTable } from '../../lib/queue/queue-socket-options.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { clientTable, serverTable, sessionTable } from '../../lib/sockets/encrypted-socket-options.js';
import { lockedSocketTable } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { memoryKnownHosts, type KnownHosts } from '../../lib/trust/known-hosts.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { reasonOf, textOf } from '../support/sockets.js';

const fixture = useFixture();

const right = keys.server.publicKey;
const wrong = keys.other.publicKey;
const polluted: string[] = [];

afterEach(() => {
  unpollute();
});

/**
 * Sets properties of `Object.prototype`, as a careless merge of options elsewhere in the program
 * can do.
 */
function pollute(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    polluted.push(name);
    Object.defineProperty(Object.prototype, name, {
      value,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
}

function unpollute(): void {
  for (const name of polluted.splice(0)) Reflect.deleteProperty(Object.prototype, name);
}

/** Hostile values. Each is valid for some option. */
const hostileValues: readonly unknown[] = [
  true,
  1,
  '/no/such/folder/polluted',
  wrong.fingerprint,
  new Uint8Array(32),
  keys.ec,
  wrong,
  (): string => 'known',
];

/**
 * For these names, the only hostile values with which Node itself still works: `new Socket` and
 * `new Server` copy their options into object literals, and so throw for an inherited `signal` or
 * `highWaterMark` of another type.
 */
const valuesNodeAccepts: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['signal', [new AbortController().signal]],
  ['highWaterMark', [1]],
]);

/** Options of the public functions, of internal functions, of Node and of the dependencies. */
const optionNames: readonly string[] = [
  ...new Set([
    ...[addressTable, lockedSocketTable, sessionTable, clientTable, serverTable].flatMap(Object.keys),
    ...Object.keys(queueSocketTable),
    ...['plain', 'timeout', 'signal', 'retry', 'retries', 'minDelay', 'maxDelay', 'isServer'],
    ...['maxPending', 'ephemeralKey', 'maxHandshakes', 'maxHandshakesPerAddress', 'maxConnections'],
    ...['block', 'priority', 'type', 'interval', 'staleAfter', 'message', 'id'],
    ...['random', 'premaster', 'ciphertext', 'ephemeral', 'signature', 'extensions', 'rejectPremaster'],
    ...['identity', 'serverKey', 'decideServerKey', 'scheduleDecryption', 'onHello', 'appProtocol'],
    ...['limit', 'awaitConfirm', 'maxKeyChanges', 'now', 'firstSeq', 'firstBytes'],
    ...['rekeyRecords', 'rekeyBytes', 'context', 'length', 'verified', 'how', 'succeeded', 'confirmed'],
    ...['carryoverConcurrencyCount', 'once', 'cause', 'exclusive', 'backlog', 'lookup', 'localPort'],
  ]),
];

/** Runs a program with encrypted sockets, and returns what it saw as plain values. */
async function everything(): Promise<unknown> {
  const asked: string[] = [];
  const errors: unknown[] = [];
  const server = await listen({
    port: 0,
    key: keys.server,
    clientAuth: 'wanted',
    authorize: ({ fingerprint }) => fingerprint === keys.ec.fingerprint,
    onError: (error) => void errors.push(K4netError.is(error) ? error.code : error),
  });
  const served = server.serve(async (sock) => {
    await sock.send(await sock.recv());
    const queue = new QueueSocket(sock);
    queue.registerCallback('echo', (reader) => reader.read());
    queue.start();
    await queue.closed;
  });
  const { port } = server.address() as { port: number };
  const sock = await connect({ port, pin: right.fingerprint, clientKey: keys.ec, retry: false });
  await sock.send('hello');
  const echo = textOf(await sock.recv({ timeout: 5_000 }));
  const queue = new QueueSocket(sock);
  queue.start();
  const answer = textOf((await queue.call('echo', 'x', { timeout: 5_000 })).read());
  await queue.close();
  const mismatch = await reasonOf(connect({ port, pin: wrong.fingerprint, retry: false }));
  const store = memoryKnownHosts();
  await store.addIfAbsent(`127.0.0.1:${port}`, wrong.fingerprint);
  const knownHosts: KnownHosts = {
    get: (name) => {
      asked.push(name.replace(`${port}`, 'port'));
      return store.get(name);
    },
    addIfAbsent: (name, fingerprint) => store.addIfAbsent(name, fingerprint),
    replace: (name, fingerprint) => store.replace(name, fingerprint),
  };
  const unknown = await reasonOf(connect({ port, knownHosts, retry: false }));
  await server.close({ timeout: 1_000 });
  await served;
  const { peer } = sock;
  return {
    echo,
    answer,
    how: peer.how,
    fingerprint: peer.fingerprint,
    serverName: peer.serverName,
    appProtocol: peer.appProtocol,
    mismatch: codeOf(mismatch),
    unknown: codeOf(unknown),
    asked,
    errors,
  };
}

function codeOf(error: unknown): unknown {
  return K4netError.is(error) ? error.code : error;
}

describe('a polluted Object.prototype', () => {
  it.each(optionNames)('does not change a program by the name %s', async (name) => {
    for (const value of valuesNodeAccepts.get(name) ?? hostileValues) {
      pollute({ [name]: value });
      const found = await everything().catch((error: unknown) => error);
      unpollute();
      expect(found, `${name}: ${String(value)}`).toEqual({
        echo: 'hello',
        answer: 'x',
        how: 'pin',
        fingerprint: right.fingerprint,
        serverName: undefined,
        appProtocol: undefined,
        mismatch: 'K4NET_KEY_MISMATCH',
        unknown: 'K4NET_KEY_MISMATCH',
        asked: ['127.0.0.1:port'],
        errors: ['K4NET_PEER_CLOSED', 'K4NET_PEER_CLOSED'],
      });
    }
  });

  it('does not change the path of a Unix socket or the address of its server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k4net-options-'));
    fixture.onCleanup(() => rm(folder, { recursive: true }));
    const path = join(folder, 'socket');
    pollute({ port: 1, host: 'nowhere.invalid', path: '/no/such/folder/polluted' });
    pollute({ handshakes: true, fingerprints: [wrong.fingerprint] });
    const server = await listen({ path, plain: true });
    const sock = await connect({ path, plain: true, retry: false });
    const second = await reasonOf(listen({ path, plain: true }));
    const { value: accepted } = await server[Symbol.asyncIterator]().next();
    const { fingerprint } = server;
    unpollute();
    expect(accepted).toBeInstanceOf(LockedSocket);
    expect(fingerprint).toBeUndefined();
    expect(server.address()).toEqual({ path });
    expect(second).toMatchObject({ code: 'K4NET_LISTEN', cause: { code: 'EADDRINUSE' } });
    await sock.close(undefined, { timeout: 0 });
    await server.close({ timeout: 0 });
  });

  it('does not make a client accept another key than the known one', async () => {
    const { port } = await fixture.echoServer();
    const knownHosts = memoryKnownHosts();
    await knownHosts.addIfAbsent('inn', wrong.fingerprint);
    pollute({ insecureAcceptAnyKey: true, identifyToUnknownServer: true });
    expect(await reasonOf(fixture.connectOnce({ port, knownHosts, serverName: 'inn' }))).toBeInstanceOf(
      KeyMismatchError,
    );
  });

  it('does not set plain, authorize, clientAuth or ephemeralKey for listen', async () => {
    pollute({
      plain: true,
      authorize: () => true,
      clientAuth: 'none',
      ephemeralKey: true,
      unmatched: 'drop',
    });
    const { port } = await fixture.echoServer({ clientAuth: 'required', authorize: () => false });
    const refusal = await reasonOf(fixture.connectOnce({ port, pin: right.fingerprint, clientKey: keys.ec }));
    expect(refusal).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 9 });
    expect(await reasonOf(listen({ port: 0 }))).toBeInstanceOf(TypeError);
  });

  it('does not set options of a socket, a wait, a queue or a key', async () => {
    pollute({ maxSize: 0, recvSize: 1, timeout: 1, block: false, priority: 1, concurrency: 0, keySize: 1 });
    pollute({ signal: AbortSignal.abort(new Error('of the prototype')), customTimers: {}, fallback: 1 });
    const [near, far] = memoryPair();
    const one = new LockedSocket(near);
    const queue = new QueueSocket(new LockedSocket(far), { unmatched: 'queue' });
    queue.registerCallback('echo', (reader) => reader.read());
    queue.start();
    const caller = new QueueSocket(one);
    caller.start();
    expect(textOf((await caller.call('echo', 'x')).read())).toBe('x');
    expect((await generateKeyPair({ type: 'p256' })).canSign).toBe(true);
    await Promise.all([caller.close(), queue.close()]);
  });
});
