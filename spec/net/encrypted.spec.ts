import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { K4netError, KeyMismatchError, PeerAlertError } from '../../lib/errors.js';
import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { HandshakeGate, newDecryptQueue } from '../../lib/net/handshake-gate.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { EncryptedSocket, EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { Ends, expectDiscreet, keys, outcome, rawClient, rawServer, refused } from '../support/encrypted.js';
import { turns } from '../support/recorder.js';
import { drain, failureOf, reasonOf, textOf, until } from '../support/sockets.js';

const ends = new Ends();

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await ends.clear();
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
  ends.onClear(() => server.close({ timeout: 0 }));
  if (serve) {
    void server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
  }
  return { server, port: (server.address() as { port: number }).port, reports };
}

async function dial(port: number, options: Partial<EncryptedConnectOptions> = {}): Promise<EncryptedSocket> {
  const trusts = 'pin' in options || 'knownHosts' in options;
  return ends.keep(await connect({ port, ...(!trusts && { key: right }), retry: false, ...options }));
}

async function echoes(sock: EncryptedSocket): Promise<boolean> {
  await sock.send('there and back');
  return textOf(await sock.recv()) === 'there and back';
}

describe('a server of encrypted sockets', () => {
  it('serves sockets that have shaken hands, and says which key it has', async () => {
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

  it('counts every connection once, whether it was taken or not', async () => {
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

  it('with a key that lives in memory only has one, and shows it to all', async () => {
    const { server, port } = await open({ ephemeralKey: true });
    for (let i = 0; i < 2; i += 1) {
      const sock = await dial(port, { pin: server.fingerprint });
      expect(await echoes(sock)).toBe(true);
    }
  });

  it('with several keys says which they are, and accepts clients of each', async () => {
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
  ] as const)('refuses options that contradict each other, and quotes them: %#', async (options, words) => {
    const error = await reasonOf(listen({ port: 0, ...options } as EncryptedListenOptions));
    expect(error).toBeInstanceOf(TypeError);
    expectDiscreet(error);
    for (const word of words) expect((error as Error).message).toContain(word);
  });

  it('tells one too many that it is busy, reports it, and goes on', async () => {
    const { port, reports } = await open({ maxHandshakes: 1 });
    const live = await dial(port);
    // One who says nothing holds the place.
    const silent = await rawClient(ends, port);
    let error: PeerAlertError | undefined;
    // The place is taken when the server has accepted the connection before this one, which it does in order.
    error = await failureOf(dial(port), PeerAlertError);
    expect(error).toMatchObject({ alert: 10, authenticated: false, text: 'busy' });
    expectDiscreet(error);
    expect(reports).toEqual([{ code: 'K4NET_BUSY', sock: undefined }]);
    expect(await echoes(live)).toBe(true);
    silent.destroy();
    await until(() => reports.length === 2);
    expect(reports[1]).toMatchObject({ code: 'K4NET_PEER_CLOSED' });
    expect(await echoes(await dial(port))).toBe(true);
    error = undefined;
  });

  it('that is busy for a while is reached by a client that tries again', async () => {
    const { port, reports } = await open({ maxHandshakes: 1 });
    const silent = await rawClient(ends, port);
    const coming = dial(port, { retry: { retries: 20, minDelay: 5, maxDelay: 5 } });
    await until(() => reports.length > 0);
    silent.destroy();
    expect(await echoes(await coming)).toBe(true);
    expect(reports[0]).toMatchObject({ code: 'K4NET_BUSY' });
  });

  it('reports a handshake that failed, with its code and its socket, and leaves the others alone', async () => {
    const { server, port, reports } = await open({ clientAuth: 'required', handshakeTimeout: 1_000 });
    const live = await dial(port, { clientKey: keys.ec });
    await refused(dial(port), 'K4NET_CLIENT_KEY_REQUIRED');
    await refused(dial(port, { key: keys.other.publicKey }), 'K4NET_PEER_ALERT');
    (await rawClient(ends, port)).end();
    await until(() => reports.length === 3);
    await rawClient(ends, port);
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

  it('that closes during handshakes waits for nobody who says nothing', async () => {
    const { server, port, reports } = await open();
    const live = await dial(port);
    for (let i = 0; i < 3; i += 1) await rawClient(ends, port);
    const late = outcome(dial(port));
    await until(() => server.connections >= 4);
    const loop = drain(live).catch(() => []);
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
  it('rejects when its key is refused: it waits for the server to say so', async () => {
    const { port, reports } = await open({
      clientAuth: 'wanted',
      authorize: ({ fingerprint }) => turns(5).then(() => fingerprint === keys.rsa.fingerprint),
    });
    const error = await failureOf(dial(port, { clientKey: keys.ec }), PeerAlertError);
    expect(error).toMatchObject({ alert: 9, authenticated: true });
    expect(reports.map(({ code }) => code)).toEqual(['K4NET_CLIENT_KEY_REFUSED']);
    expect(await echoes(await dial(port, { clientKey: keys.rsa }))).toBe(true);
  });

  it('never tries a changed key again, and leaves the store as it was', async () => {
    const { port } = await open();
    const relay = await ends.relay(port);
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

  it('does not reach for a server whose key is revoked more than once, nor tell it anything', async () => {
    const { port, count } = await rawServer(ends, (stream) => stream.resume());
    const knownHosts = memoryKnownHosts();
    await knownHosts.replace(`127.0.0.1:${port}`, right.fingerprint, 'revoked');
    const options = { knownHosts, retry: { retries: 3, minDelay: 1 } };
    await refused(dial(port, options), 'K4NET_SERVER_AUTH');
    expect(count()).toBeLessThanOrEqual(1);
  });

  it('remembers servers in the file of the user, under host and port, when nothing else is said', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k4net-net-'));
    ends.onClear(() => rm(folder, { recursive: true, force: true }));
    vi.stubEnv('XDG_CONFIG_HOME', folder);
    const { port } = await open();
    const first = ends.keep(await connect({ port, retry: false }));
    expect(first.peer).toMatchObject({ how: 'first-use', authenticated: false });
    const text = await readFile(join(folder, 'k4net', 'known_hosts'), 'utf8');
    expect(text).toContain(`127.0.0.1:${port} k4net1 ${right.fingerprint} pinned `);
    const second = await dial(port, { knownHosts: true });
    expect(second.peer).toMatchObject({ how: 'known-hosts', authenticated: true });
    expect(await readFile(join(folder, 'k4net', 'known_hosts'), 'utf8')).toBe(text);
  });

  it('gives up at its own timeout, or when told to', async () => {
    const { port } = await rawServer(ends, (stream) => stream.resume());
    await refused(dial(port, { timeout: 20 }), 'K4NET_TIMEOUT');
    const reason = new Error('enough');
    const stop = new AbortController();
    const aborted = reasonOf(dial(port, { signal: stop.signal }));
    await turns(5);
    stop.abort(reason);
    expect(await aborted).toBe(reason);
  });

  it('that succeeded leaves nothing behind when both have closed', async () => {
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
  it('leaves no handle behind', async () => {
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

describe('the gate of the handshakes', () => {
  it('lets in so many at a time, and so many of one address', () => {
    const gate = new HandshakeGate(5, 2);
    const leave = [gate.enter('192.0.2.1'), gate.enter('192.0.2.1')];
    expect(leave.every(Boolean)).toBe(true);
    expect(gate.enter('192.0.2.1')).toBeUndefined();
    expect(gate.pending).toBe(2);
    const others = [gate.enter('192.0.2.2'), gate.enter('2001:db8::1'), gate.enter('192.0.2.3')];
    expect(others.every(Boolean)).toBe(true);
    expect(gate.enter('192.0.2.4')).toBeUndefined();
    leave[0]!();
    expect(gate.enter('192.0.2.1')).toBeDefined();
    expect(gate.pending).toBe(5);
    for (const out of [leave[1], ...others]) out!();
    expect(gate.pending).toBe(1);
    expect(gate.enter('192.0.2.1')).toBeDefined();
    expect(gate.enter('192.0.2.1')).toBeUndefined();
  });

  it.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1', ''])(
    'counts this machine (%j) in the whole only',
    (address) => {
      const gate = new HandshakeGate(4, 1);
      for (let i = 0; i < 4; i += 1) expect(gate.enter(address)).toBeDefined();
      expect(gate.enter(address)).toBeUndefined();
    },
  );

  it('decrypts two at a time, lets 64 wait, and turns the next one away', async () => {
    const queue = newDecryptQueue();
    const finish: (() => void)[] = [];
    const order: number[] = [];
    const add = (nth: number) =>
      queue(
        () =>
          new Promise<number>((resolve) => {
            order.push(nth);
            finish.push(() => {
              resolve(nth);
            });
          }),
      );
    const jobs = Array.from({ length: 66 }, (_, nth) => add(nth));
    await turns(2);
    expect(order).toEqual([0, 1]);
    await refused(add(66), 'K4NET_BUSY');
    finish[0]!();
    expect(await jobs[0]).toBe(0);
    await until(() => order.length === 3);
    jobs.push(add(67));
    await refused(add(68), 'K4NET_BUSY');
    for (let done = 1; done < 67; done += 1) {
      await until(() => finish.length > done);
      expect(order.length - done).toBeLessThanOrEqual(2);
      finish[done]!();
    }
    expect(await Promise.all(jobs)).toEqual([...Array(66).keys(), 67]);
  });

  it('goes on after one that failed', async () => {
    const queue = newDecryptQueue();
    const reason = new Error('no');
    expect(await reasonOf(queue(() => Promise.reject(reason)))).toBe(reason);
    expect(await queue(() => Promise.resolve('yes'))).toBe('yes');
  });
});
