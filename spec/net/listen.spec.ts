import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, symlinkSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { needDist } from '../support/dist.js';
import { recordStderr } from '../support/warnings.js';
import { carriers, networkHandles, useFixture } from '../support/fixture.js';
import { failure, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

/** Whether a server echoes one message. */
async function echoes(server: Server): Promise<boolean> {
  const serving = server[Symbol.asyncIterator]().next();
  const near = await fixture.connectTo(server);
  const { value: far } = await serving;
  await near.send('there');
  await far!.send(await far!.recv());
  const answer = textOf(await near.recv());
  await Promise.all([near.close(), far!.close()]);
  return answer === 'there';
}

/** A process that listens for each line on its stdin. */
class Rounds {
  readonly pid: number | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const program = fileURLToPath(new URL('programs/listen-rounds.mjs', import.meta.url));
    this.#child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.pid = this.#child.pid;
  }

  /** Returns its answer to a line. */
  async tell(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    const next: IteratorResult<string, unknown> = await this.#lines.next();
    return String(next.value);
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill();
    await exited;
  }
}

/** A stale socket file, as a killed process leaves it. */
async function staleSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  // The server removes its file when it closes, but not one with another name.
  await rename(path, `${path}.aside`);
  await new Promise((resolve) => server.close(resolve));
  await rename(`${path}.aside`, path);
}

/** The socket file of a process that was killed. */
async function abandoned(path: string): Promise<void> {
  const program = fileURLToPath(new URL('programs/abandoned-socket.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  recordStderr(child);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(lstatSync(path).isSocket()).toBe(true);
}

describe.each(carriers)('a server on %s', (carrier) => {
  it('has an address that connect takes as it is', async () => {
    const where = await fixture.listenAddress(carrier);
    const server = await fixture.plainServer(where);
    const address = server.address();
    if ('path' in address) expect(address).toEqual(where);
    else {
      expect(address.host).toBe('127.0.0.1');
      expect(address.port).toBeGreaterThan(0);
    }
    expect(await echoes(server)).toBe(true);
  });

  it('keeps its address after it has closed', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const address = server.address();
    await server.close();
    expect(server.address()).toEqual(address);
  });

  it('keeps running when a second one at its address rejects with K4NET_LISTEN', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const error = await failure(listen({ plain: true, ...server.address() }), 'K4NET_LISTEN');
    expect(codeOf(error.cause)).toBe('EADDRINUSE');
    const address = server.address();
    expect(error.message).toContain('path' in address ? address.path : `127.0.0.1:${address.port}`);
    // The second server checked whether the first is alive, with one short connection.
    const served: string[] = [];
    const serving = server.serve(async (sock) => {
      for await (const text of sock.texts()) served.push(text);
    });
    const near = await fixture.connectTo(server);
    await near.send('well');
    await near.close();
    await until(() => served.length === 1 && server.connections === 0);
    await server.close();
    await serving;
    await until(() => networkHandles() === 0);
  });

  it('frees its address when it closes', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const address = server.address();
    await server.close();
    await failure(connect({ plain: true, ...address, retry: false }), 'K4NET_CONNECT');
    expect(await echoes(await fixture.plainServer(address))).toBe(true);
  });
});

describe('a server on TCP', () => {
  it('is reached only from this machine by default', async () => {
    const local = await fixture.plainServer({ port: 0 });
    expect(local.address()).toMatchObject({ host: '127.0.0.1' });
    const open = await fixture.plainServer({ port: 0, host: '0.0.0.0' });
    expect(open.address()).toMatchObject({ host: '0.0.0.0' });
    const named = await fixture.plainServer({ port: 0, host: 'localhost' });
    expect(await echoes(named)).toBe(true);
    const { port } = local.address() as { port: number };
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const outside = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) return;
    const { address: host } = outside;
    await failure(connect({ plain: true, host, port, retry: false }), 'K4NET_CONNECT');
    const { port: openPort } = open.address() as { port: number };
    fixture.keep(await connect({ plain: true, host, port: openPort, retry: false }));
  });

  it('on port 0 has a port of its own', async () => {
    const [one, other] = [await fixture.plainServer(), await fixture.plainServer()];
    expect(one.address()).not.toEqual(other.address());
  });

  it('rejects with the reason if it cannot listen', async () => {
    const error = await failure(listen({ plain: true, port: 0, host: '192.0.2.1' }), 'K4NET_LISTEN');
    expect(codeOf(error.cause)).toBe('EADDRNOTAVAIL');
    expect(error.message).toContain('192.0.2.1:0');
  });
});

describe.skipIf(process.platform === 'win32')('a server on a Unix socket', () => {
  it('replaces the socket file of a server that was killed', async () => {
    const path = await fixture.socketPath();
    await abandoned(path);
    const before = lstatSync(path).ino;
    const server = await fixture.plainServer({ path });
    expect(await echoes(server)).toBe(true);
    expect(before).toBeGreaterThan(0);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('removes its socket file when it closes', async () => {
    const path = await fixture.socketPath();
    const server = await fixture.plainServer({ path });
    expect(lstatSync(path).isSocket()).toBe(true);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('does not remove a file that is no socket', async () => {
    const path = await fixture.socketPath();
    await writeFile(path, 'a letter');
    const error = await failure(listen({ plain: true, path }), 'K4NET_LISTEN');
    expect(codeOf(error.cause)).toBe('EADDRINUSE');
    expect(await readFile(path, 'utf8')).toBe('a letter');
  });

  it('does not remove a folder', async () => {
    const path = await fixture.socketPath();
    await mkdir(path);
    await failure(listen({ plain: true, path }), 'K4NET_LISTEN');
    expect(lstatSync(path).isDirectory()).toBe(true);
  });

  it('does not remove a symbolic link, whatever its target', async () => {
    const [target, link] = [await fixture.socketPath(), await fixture.socketPath()];
    await abandoned(target);
    symlinkSync(target, link);
    await failure(listen({ plain: true, path: link }), 'K4NET_LISTEN');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(lstatSync(target).isSocket()).toBe(true);
  });

  it('rejects with the reason if its folder does not exist', async () => {
    const path = `${await fixture.socketPath()}/none`;
    const error = await failure(listen({ plain: true, path }), 'K4NET_LISTEN');
    expect(error.message).toContain(path);
    expect(codeOf(error.cause)).toBe('ENOENT');
  });

  it('rejects with the reason if it cannot lock its path', async () => {
    const path = await fixture.socketPath();
    symlinkSync('missing', `${path}.lock`);
    const error = await failure(listen({ plain: true, path }), 'K4NET_LISTEN');
    expect(error.message).toContain(`${path}.lock`);
    expect(existsSync(path)).toBe(false);
    expect(networkHandles()).toBe(0);
  });

  it('leaves no file beside its socket file', async () => {
    const path = await fixture.socketPath();
    await fixture.plainServer({ path });
    await failure(listen({ plain: true, path }), 'K4NET_LISTEN');
    expect(readdirSync(await fixture.folder())).toEqual([basename(path)]);
  });

  it.each([
    ['a stale socket file', staleSocket],
    ['a free path', () => Promise.resolve()],
  ])(
    'is the only one of several processes that start at the same time on %s, and clients reach it',
    async (_, prepare) => {
      needDist();
      const processes = Array.from({ length: 3 }, () => new Rounds());
      fixture.onCleanup(() => Promise.all(processes.map((each) => each.end())));
      for (let round = 0; round < 30; round += 1) {
        const path = await fixture.socketPath();
        await prepare(path);
        const ends = await Promise.all(processes.map((each) => each.tell(path)));
        expect(ends.toSorted()).toEqual(['K4NET_LISTEN', 'K4NET_LISTEN', 'listens']);
        const client = fixture.keep(await connect({ plain: true, path, retry: false }));
        expect(await client.recvText()).toBe(String(processes[ends.indexOf('listens')]!.pid));
        await client.close();
        await Promise.all(processes.map((each) => each.tell('')));
        expect(readdirSync(await fixture.folder())).toEqual([]);
      }
    },
  );
});
