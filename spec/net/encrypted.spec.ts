import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { K4netError, KeyMismatchError, PeerAlertError } from '../../lib/errors.js';
import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { encodeExtensions } from '../../lib/session/handshake/extensions.js';
import { unit } from '../../lib/session/handshake/machine.js';
import { encodeKeyRequest } from '../../lib/session/handshake/messages.js';
import type { EncryptedSocket, EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { expectDiscreet, outcome, refused } from '../support/secrets.js';
import { failureOf, reasonOf, receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const right = keys.server.publicKey;

interface Inn {
  readonly server: Server<EstablishedSocket>;
  readonly port: number;
  readonly reports: { code: string; sock: unknown }[];
}

async function open(options: Partial<EncryptedListenOptions> = {}, serve: boolean = true): Promise<Inn> {
  const reports: Inn['reports'] = [];
  const server = await listen({
    port: 0,
    ...(options.ephemeralKey !== true && { key: keys.server }),
    onError: (error, sock) => {
      expectDiscreet(error);
      reports.push({ code: K4netError.is(error) ? error.code : String(error), sock });
    },
    ...options,
  });
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  if (serve) {
    void server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
  }
  return { server, port: (server.address() as { port: number }).port, reports };
}

async function dial(port: number, options: Partial<EncryptedConnectOptions> = {}): Promise<EncryptedSocket> {
  const trusts = 'pin' in options || 'knownHosts' in options;
  return fixture.keep(await connect({ port, ...(!trusts && { key: right }), retry: false, ...options }));
}

/** The first unit of a client that asks for the key. */
const hello = unit(encodeKeyRequest(encodeExtensions({})));

/** A client that has sent a complete hello, has received its answer, and sends nothing more. */
async function greeted(port: number): Promise<Socket> {
  const stream = await fixture.rawClient(port);
  stream.write(hello);
  await once(stream, 'data');
  return stream;
}

async function echoes(sock: EncryptedSocket): Promise<boolean> {
  await sock.send('there and back');
  return textOf(await sock.recv()) === 'there and back';
}

describe('a server of encrypted sockets', () => {
  it('serves sockets after their handshake, and has the fingerprint of its key', async () => {
    const { server, port, reports } = await open({ clientAuth: 'wanted' }, false);
    const near = await dial(port, { clientKey: keys.ec });
    const { value: far } = (await server[Symbol.asyncIterator]().next()) as { value: EncryptedSocket };
    expect(far.readyState).toBe('open');
    expect(far.peer).toMatchObject({ how: 'client-key', fingerprint: keys.ec.fingerprint });
    expect(server.fingerprint).toBe(right.fingerprint);
    expect(near.peer?.fingerprint).toBe(server.fingerprint);
    expectDiscreet(server);
    expectDiscreet([near, far]);
    await near.send('x');
    expect(textOf(await far.recv())).toBe('x');
    expect(reports).toEqual([]);
  });

  it('counts every open connection once, taken or not', async () => {
    const { server, port } = await open({}, false);
    const near = await dial(port);
    await until(() => server.connections > 0);
    await turns(20);
    expect(server.connections).toBe(1);
    await near.send('x');
    const { value: far } = (await server[Symbol.asyncIterator]().next()) as { value: EncryptedSocket };
    expect(server.connections).toBe(1);
    await Promise.all([near.close(), far.close()]);
    await until(() => server.connections === 0);
  });

  it('with ephemeralKey shows one key to all clients', async () => {
    const { server, port } = await open({ ephemeralKey: true });
    for (let i = 0; i < 2; i += 1) {
      const sock = await dial(port, { pin: server.fingerprint });
      expect(await echoes(sock)).toBe(true);
    }
  });

  it('with several keys has their fingerprints, and accepts clients that know any of them', async () => {
    const { server, port } = await open({ key: [keys.server, keys.other], serverNames: ['inn'] });
    expect(server.fingerprints).toEqual([right.fingerprint, keys.other.fingerprint]);
    expect(server.fingerprint).toBe(right.fingerprint);
    for (const key of [right, keys.other.publicKey]) {
      expect(await echoes(await dial(port, { key, serverName: 'inn' }))).toBe(true);
    }
    await refused(dial(port, { serverName: 'elsewhere' }), 'K4NET_PEER_ALERT');
    expectDiscreet(server);
  });

  it.each([
    [{}, ["'key'", "'keyPath'", "'ephemeralKey: true'", "'plain: true'"]],
    [{ ephemeralKey: true, key: keys.server }, ["'ephemeralKey'", "'key'"]],
    [{ ephemeralKey: true, keyPath: 'x' }, ["'ephemeralKey'", "'keyPath'"]],
    [{ key: keys.server, authorize: () => true }, ["'authorize'"]],
    [{ key: keys.server, pin: 'x' }, ["'pin'"]],
    [{ plain: true, key: keys.server }, ["'key'", 'plain: true']],
    [{ key: keys.ec }, ['RSA']],
    [{ key: [keys.server, keys.ec] }, ['RSA']],
    [{ key: [] }, ['key']],
    [{ key: keys.server, serverNames: [] }, ['serverNames']],
  ] as const)('rejects options that exclude each other, and quotes them: %#', async (options, words) => {
    const error = await reasonOf(listen({ port: 0, ...options } as EncryptedListenOptions));
    expect(error).toBeInstanceOf(TypeError);
    expectDiscreet(error);
    for (const word of words) expect((error as Error).message).toContain(word);
  });

  it('refuses a client over maxHandshakes with the alert busy, and reports it', async () => {
    const { port, reports } = await open({ maxHandshakes: 1 });
    const live = await dial(port);
    const slow = await greeted(port);
    const error = await failureOf(dial(port), PeerAlertError);
    expect(error).toMatchObject({ alert: 10, authenticated: false, text: 'busy' });
    expectDiscreet(error);
    expect(reports).toEqual([{ code: 'K4NET_BUSY', sock: undefined }]);
    expect(await echoes(live)).toBe(true);
    slow.destroy();
    await until(() => reports.length === 2);
    expect(reports[1]).toMatchObject({ code: 'K4NET_PEER_CLOSED' });
    expect(await echoes(await dial(port))).toBe(true);
  });

  it('that is busy for a while accepts a client on a retry', async () => {
    const { port, reports } = await open({ maxHandshakes: 1 });
    const slow = await greeted(port);
    const coming = dial(port, { retry: { retries: 20, minDelay: 5, maxDelay: 5 } });
    await until(() => reports.length > 0);
    slow.destroy();
    expect(await echoes(await coming)).toBe(true);
    expect(reports[0]).toMatchObject({ code: 'K4NET_BUSY' });
  });

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['half of a hello', hello.subarray(0, hello.length - 1)],
  ])('drops the oldest client that has sent %s in favor of a new one', async (_, bytes) => {
    const { server, port, reports } = await open({ maxHandshakes: 3, maxPending: 3 }, false);
    const silent: Socket[] = [];
    for (let nth = 0; nth < 3; nth += 1) {
      const stream = await fixture.rawClient(port);
      stream.resume();
      stream.write(bytes);
      silent.push(stream);
      await until(() => server.connections === nth + 1);
    }
    const said: Buffer[] = [];
    silent[0]!.on('data', (chunk: Buffer) => said.push(chunk));
    const gone = once(silent[0]!, 'end');
    await dial(port);
    await gone;
    // Alert 10 in the clear: "Units" in docs/protocol.md.
    expect(Buffer.concat(said).includes('busy')).toBe(true);
    expect(reports.map(({ code }) => code)).toEqual(['K4NET_BUSY']);
    expect(reports[0]!.sock).toBeDefined();
    expect(silent.map(({ readableEnded }) => readableEnded)).toEqual([true, false, false]);
  });

  it('serves clients while others keep opening connections and send nothing', async () => {
    const { server, port } = await open({ maxHandshakes: 8 });
    let over = false;
    const flood = async (): Promise<void> => {
      while (!over) {
        const stream = await fixture.rawClient(port);
        stream.resume();
        stream.once('end', () => stream.destroy());
      }
    };
    const flooding = [flood()];
    await until(() => server.connections >= 8);
    for (let nth = 0; nth < 3; nth += 1) {
      const sock = await dial(port, { retry: { retries: Infinity, minDelay: 5, maxDelay: 50 } });
      expect(await echoes(sock)).toBe(true);
      await sock.close();
    }
    over = true;
    await Promise.all(flooding);
  });

  it('reports a handshake that failed, with its code and its socket, and keeps the other connections', async () => {
    const { server, port, reports } = await open({ clientAuth: 'required', handshakeTimeout: 1_000 });
    const live = await dial(port, { clientKey: keys.ec });
    await refused(dial(port), 'K4NET_CLIENT_KEY_REQUIRED');
    await refused(dial(port, { key: keys.other.publicKey }), 'K4NET_PEER_ALERT');
    (await fixture.rawClient(port)).end();
    await until(() => reports.length === 3);
    await fixture.rawClient(port);
    await until(() => reports.length === 4);
    expect(reports.map(({ code }) => code)).toEqual([
      'K4NET_PEER_ALERT',
      'K4NET_UNKNOWN_SERVER_KEY',
      'K4NET_PEER_CLOSED',
      'K4NET_TIMEOUT',
    ]);
    for (const { sock } of reports) expect(sock).toBeDefined();
    expect(await echoes(live)).toBe(true);
    await until(() => server.connections === 1);
  });

  it('that closes does not wait for clients that send nothing', async () => {
    const { server, port, reports } = await open();
    const live = await dial(port);
    for (let i = 0; i < 3; i += 1) await fixture.rawClient(port);
    const late = outcome(dial(port));
    await until(() => server.connections >= 4);
    const loop = receiveAll(live).catch(() => []);
    const began = performance.now();
    await server.close({ timeout: 20 });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(server.connections).toBe(0);
    await loop;
    expect(['ok', 'K4NET_CONNECT', 'K4NET_CONNECTION', 'K4NET_PEER_CLOSED', 'K4NET_PEER_ALERT']).toContain(
      await late,
    );
    for (const { code } of reports) expect(code).toBe('K4NET_TIMEOUT');
  });
});

describe('connect', () => {
  it("rejects with the alert of a server that refuses the client's key", async () => {
    const { port, reports } = await open({
      clientAuth: 'wanted',
      authorize: ({ fingerprint }) => turns(5).then(() => fingerprint === keys.rsa.fingerprint),
    });
    const error = await failureOf(dial(port, { clientKey: keys.ec }), PeerAlertError);
    expect(error).toMatchObject({ alert: 9, authenticated: true });
    expect(reports.map(({ code }) => code)).toEqual(['K4NET_CLIENT_KEY_REFUSED']);
    expect(await echoes(await dial(port, { clientKey: keys.rsa }))).toBe(true);
  });

  it('does not retry for a changed key, and does not change the store', async () => {
    const { port } = await open();
    const relay = await fixture.relay(port);
    for (const serverName of [undefined, 'inn']) {
      const knownHosts = memoryKnownHosts();
      const name = serverName ?? `127.0.0.1:${relay.port}`;
      await knownHosts.addIfAbsent(name, keys.other.fingerprint);
      const noted = await knownHosts.get(name);
      const before = relay.connections;
      const error = await failureOf(
        dial(relay.port, { knownHosts, serverName, retry: { retries: 3, minDelay: 1 } }),
        KeyMismatchError,
      );
      expect(error).toMatchObject({ expected: keys.other.fingerprint, actual: right.fingerprint });
      expect(relay.connections - before).toBe(1);
      expect(await knownHosts.get(name)).toEqual(noted);
    }
  });

  it('does not retry for a revoked key, and sends nothing to the server', async () => {
    const { port, count } = await fixture.rawServer((stream) => stream.resume());
    const knownHosts = memoryKnownHosts();
    await knownHosts.replace(`127.0.0.1:${port}`, right.fingerprint, 'revoked');
    const options = { knownHosts, retry: { retries: 3, minDelay: 1 } };
    await refused(dial(port, options), 'K4NET_SERVER_AUTH');
    expect(count()).toBeLessThanOrEqual(1);
  });

  it("by default stores servers in the user's known-hosts file under host and port", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k4net-net-'));
    fixture.onCleanup(() => rm(folder, { recursive: true, force: true }));
    vi.stubEnv('XDG_CONFIG_HOME', folder);
    const { port } = await open();
    const first = fixture.keep(await connect({ port, retry: false }));
    expect(first.peer).toMatchObject({ how: 'first-use', authenticated: false });
    const text = await readFile(join(folder, 'k4net', 'known_hosts'), 'utf8');
    expect(text).toContain(`127.0.0.1:${port} k4net1 ${right.fingerprint} pinned `);
    const second = await dial(port, { knownHosts: true });
    expect(second.peer).toMatchObject({ how: 'known-hosts', authenticated: true });
    expect(await readFile(join(folder, 'k4net', 'known_hosts'), 'utf8')).toBe(text);
  });

  it('rejects at its timeout, and when its signal aborts', async () => {
    const { port } = await fixture.rawServer((stream) => stream.resume());
    await refused(dial(port, { timeout: 20 }), 'K4NET_TIMEOUT');
    const reason = new Error('enough');
    const stop = new AbortController();
    const aborted = reasonOf(dial(port, { signal: stop.signal }));
    await turns(5);
    stop.abort(reason);
    expect(await aborted).toBe(reason);
  });

  it('leaves no handle after both sides have closed', async () => {
    const { server, port } = await open();
    await (await dial(port)).close();
    await until(() => server.connections === 0);
    const before = process.getActiveResourcesInfo().filter((kind) => !kind.startsWith('Immediate')).length;
    for (let i = 0; i < 5; i += 1) {
      const sock = await dial(port);
      expect(await echoes(sock)).toBe(true);
      await sock.close();
    }
    await until(() => server.connections === 0);
    const now = () => process.getActiveResourcesInfo().filter((kind) => !kind.startsWith('Immediate')).length;
    await until(() => now() <= before);
  });
});

describe('a connect that failed', () => {
  it('leaves no handle', async () => {
    const { server, port } = await open({ key: keys.other });
    const knownHosts = memoryKnownHosts();
    await knownHosts.addIfAbsent(`127.0.0.1:${port}`, right.fingerprint);
    const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const before = sockets();
    for (let i = 0; i < 5; i += 1) {
      await failureOf(dial(port, { knownHosts }), KeyMismatchError);
    }
    await until(() => server.connections === 0);
    await until(() => sockets() <= before);
  });
});
