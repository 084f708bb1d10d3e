import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import type { HandlerContext, ServeOptions } from '../../lib/net/handlers.js';
import type { Server } from '../../lib/net/server.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { Deferred, rejected } from '../../lib/util/wait.js';
import { needDist, run } from '../support/dist.js';
import { turns } from '../support/recorder.js';
import { takeWarnings, warnings } from '../support/warnings.js';
import { carriers, useFixture } from '../support/fixture.js';
import { SocketSpy } from '../support/socket-spy.js';
import { failure, fill, reasonOf, receiveAll, textOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

/** Handlers that each wait until the test releases them. */
class Gate {
  /** The first message of each socket, in the order in which the handlers were called. */
  readonly names: string[] = [];
  readonly sockets: LockedSocket[] = [];
  running = 0;
  most = 0;
  readonly #doors: Deferred<void>[] = [];

  readonly handler = async (socket: LockedSocket): Promise<void> => {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    const door = new Deferred<void>();
    this.#doors.push(door);
    this.sockets.push(socket);
    this.names.push(await socket.recvText());
    await door.promise;
    this.running -= 1;
  };

  open(nth: number): void {
    this.#doors[nth]!.resolve();
  }

  openAll(): void {
    for (const door of this.#doors) door.resolve();
  }
}

/** Clients that have each sent their number. */
async function numbered(server: Server, count: number): Promise<LockedSocket[]> {
  const clients = await fixture.connectClients(server, count);
  await Promise.all(clients.map((client, i) => client.send(`${i}`)));
  return clients;
}

describe.each(carriers)('serve on %s', (carrier) => {
  it('calls the handler for each connection, and closes the socket when the handler settles', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const seen: LockedSocket[] = [];
    const serving = server.serve(async (sock) => {
      seen.push(sock);
      await sock.send(`hello ${await sock.recvText()}`);
    });
    const clients = await numbered(server, 3);
    const answers = await Promise.all(clients.map(receiveAll));
    expect(answers.map((list) => list.map(textOf))).toEqual([['hello 0'], ['hello 1'], ['hello 2']]);
    expect(seen).toHaveLength(3);
    for (const sock of seen) expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    await server.close();
    await serving;
  });

  it('closes the socket at once if the handler returns undefined', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const serving = server.serve(() => undefined);
    const near = await fixture.connectTo(server);
    await failure(near.recv(), 'K4NET_CLOSED');
    await near.close();
    await until(() => server.connections === 0);
    await server.close();
    await serving;
  });

  it('handles connections that came before it was called', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const clients = await numbered(server, 3);
    const gate = new Gate();
    const serving = server.serve(gate.handler);
    await until(() => gate.names.length === 3);
    expect(gate.names).toEqual(['0', '1', '2']);
    gate.openAll();
    await Promise.all(clients.map(receiveAll));
    await server.close();
    await serving;
  });
});

describe('a handler of serve that fails', () => {
  const throwing = (): never => {
    throw new Error('thrown');
  };

  it.each([
    ['throws', throwing, 'thrown'],
    ['rejects', () => Promise.reject(new Error('rejected')), 'rejected'],
  ])('and %s is reported with its socket, and only its socket ends', async (_, fail, text) => {
    const reports: [unknown, LockedSocket | undefined][] = [];
    const onError = (error: unknown, sock?: LockedSocket): void => void reports.push([error, sock]);
    const server = await fixture.plainServer({ port: 0, onError });
    const sockets: LockedSocket[] = [];
    const serving = server.serve(async (sock) => {
      sockets.push(sock);
      for await (const message of sock.texts()) {
        if (message === 'fail') await fail();
        await sock.send(message);
      }
    });
    const good = await fixture.connectTo(server);
    await good.send('before');
    expect(await good.recvText()).toBe('before');
    const bad = await fixture.connectTo(server);
    await bad.send('fail');
    await failure(bad.recv(), 'K4NET_CONNECTION');
    expect(reports.map(([error]) => (error as Error).message)).toEqual([text]);
    expect(reports[0]![1]).toBe(sockets[1]);
    await good.send('after');
    expect(await good.recvText()).toBe('after');
    const third = await fixture.connectTo(server);
    await third.send('also');
    expect(await third.recvText()).toBe('also');
    expect(reports).toHaveLength(1);
    await Promise.all([good.close(), bad.close(), third.close(), server.close()]);
    await serving;
  });

  it('because its peer broke the connection is reported', async () => {
    const reports: unknown[] = [];
    const server = await fixture.plainServer({ port: 0, onError: (error) => void reports.push(error) });
    const serving = server.serve(async (sock) => {
      await sock.send('come');
      await sock.recv();
    });
    const near = await fixture.connectTo(server);
    await near.recv();
    await near.close(undefined, { timeout: 0 });
    await until(() => reports.length === 1);
    expect(K4netError.is(reports[0], 'K4NET_CONNECTION')).toBe(true);
    await server.close();
    await serving;
  });

  it.each<[string, () => void]>([
    ['throws', throwing],
    ['rejects', () => Promise.reject(new Error('thrown'))],
  ])('is a process warning if onError %s', async (_, onError) => {
    const server = await fixture.plainServer({ port: 0, onError });
    const serving = server.serve(() => Promise.reject(new Error('of the handler')));
    const one = await fixture.connectTo(server);
    await failure(one.recv(), 'K4NET_CONNECTION');
    const other = await fixture.connectTo(server);
    await failure(other.recv(), 'K4NET_CONNECTION');
    await until(() => warnings.length > 0);
    await Promise.all([one.close(), other.close(), server.close()]);
    await serving;
    const given = await takeWarnings();
    expect(given).toHaveLength(1);
    expect(given[0]!.message).toContain('thrown');
  });

  it('is one process warning for each error code without an onError', async () => {
    const server = await fixture.plainServer();
    const serving = server.serve(async (sock) => {
      const kind = await sock.recvText();
      if (kind === 'code') throw new K4netError('K4NET_MALFORMED', 'bad bytes');
      throw kind === 'text' ? (kind as unknown as Error) : new Error(kind);
    });
    for (const kind of ['first', 'second', 'code', 'code', 'text', 'first']) {
      const near = await fixture.connectTo(server);
      await near.send(kind);
      await failure(near.recv(), 'K4NET_CONNECTION');
      await near.close();
    }
    await server.close();
    await serving;
    const given = await takeWarnings();
    expect(given.map(({ name, code }) => [name, code])).toEqual([
      ['K4netWarning', 'K4NET_HANDLER'],
      ['K4netWarning', 'K4NET_MALFORMED'],
    ]);
    expect(given[0]!.message).toContain('first');
    expect(given[1]!.message).toContain('bad bytes');
  });
});

describe('the option maxConnections of serve', () => {
  it.each([1, 2, 3])(
    'bounds the running handlers to %i, which start in the order of the connections',
    async (most) => {
      const server = await fixture.plainServer();
      const gate = new Gate();
      const serving = server.serve(gate.handler, { maxConnections: most });
      const clients = await numbered(server, 7);
      const names = clients.map((_, i) => `${i}`);
      for (let done = 0; done < clients.length; done += 1) {
        const begun = Math.min(done + most, clients.length);
        await until(() => gate.names.length === begun);
        await turns(20);
        expect(gate.names).toEqual(names.slice(0, begun));
        gate.open(done);
        await failure(clients[done]!.recv(), 'K4NET_CLOSED');
        await clients[done]!.close();
      }
      expect(gate.most).toBe(most);
      await until(() => server.connections === 0);
      await server.close();
      await serving;
    },
  );

  it("makes further connections wait, and reads at most recvSize and the stream's buffer of each", async () => {
    const server = await fixture.plainServer({ port: 0, recvSize: 1000 });
    const accepted = new SocketSpy('server', fixture);
    const gate = new Gate();
    const serving = server.serve(gate.handler, { maxConnections: 1 });
    const [first, second] = await numbered(server, 2);
    const { sent } = await fill(second!);
    expect(server.connections).toBe(2);
    const { bytesRead } = accepted.sockets[1]!;
    expect(bytesRead).toBeGreaterThanOrEqual(1000);
    expect(bytesRead).toBeLessThan(200 * 1024);
    expect(sent * 32 * 1024).toBeGreaterThan(300 * 1024);
    gate.open(0);
    await first!.close();
    await until(() => gate.names.length === 2);
    expect(gate.names).toEqual(['0', '1']);
    gate.open(1);
    await second!.close();
    await server.close();
    await serving;
  });

  it('passes a connection that ended while it waited to the handler as an ended socket', async () => {
    const server = await fixture.plainServer();
    const gate = new Gate();
    const ends: string[][] = [];
    const serving = server.serve(
      async (sock) => {
        if (gate.sockets.length === 0) await gate.handler(sock);
        else ends.push((await receiveAll(sock)).map(textOf));
      },
      { maxConnections: 1 },
    );
    const [first, second] = await numbered(server, 2);
    await until(() => gate.names.length === 1);
    await second!.end();
    gate.openAll();
    await first!.close();
    await receiveAll(second!);
    expect(ends).toEqual([['1']]);
    await Promise.all([second!.close(), server.close()]);
    await serving;
  });

  it('resets the waiting connections when the server closes', async () => {
    const server = await fixture.plainServer();
    const gate = new Gate();
    const serving = server.serve(gate.handler, { maxConnections: 1 });
    const [first, second] = await numbered(server, 2);
    await until(() => gate.names.length === 1);
    const closing = server.close();
    await failure(second!.recv(), 'K4NET_CONNECTION');
    gate.openAll();
    await failure(first!.recv(), 'K4NET_CLOSED');
    await Promise.all([first!.close(), closing, serving]);
    expect(gate.names).toEqual(['0']);
  });

  it.each<[string, unknown, string, RegExp]>([
    ['an unknown option', { maxConnection: 1 }, 'TypeError', /'maxConnection'/],
    ['0', { maxConnections: 0 }, 'RangeError', /maxConnections.*0/],
    ['a half', { maxConnections: 1.5 }, 'RangeError', /maxConnections.*1\.5/],
    ['text', { maxConnections: '1' }, 'TypeError', /maxConnections.*string/],
    ['null for options', null, 'TypeError', /null/],
  ])('is rejected if it is %s, and serve takes no connection', async (_, options, name, message) => {
    const server = await fixture.plainServer();
    const reason = (await reasonOf(server.serve(() => undefined, options as ServeOptions))) as Error;
    expect(reason.name).toBe(name);
    expect(reason.message).toMatch(message);
    const noHandler = (await reasonOf(server.serve(undefined as never))) as Error;
    expect(noHandler.message).toMatch(/handler.*undefined/);
    await fixture.connectClients(server, 1);
    expect(server.connections).toBe(1);
  });
});

describe('the signal of a handler', () => {
  it('aborts when the server begins to close, and not before', async () => {
    const server = await fixture.plainServer();
    const contexts: HandlerContext[] = [];
    const serving = server.serve(async (sock, context) => {
      contexts.push(context);
      await sock.recv({ signal: context.signal });
    });
    const near = await fixture.connectTo(server);
    await until(() => contexts.length === 1);
    expect(contexts[0]!.signal.aborted).toBe(false);
    const received = watch(near.recv());
    const closing = server.close();
    expect(contexts[0]!.signal.aborted).toBe(true);
    expect(K4netError.is(contexts[0]!.signal.reason, 'K4NET_CLOSED')).toBe(true);
    await until(() => received.state === 'rejected');
    expect(K4netError.is(received.reason, 'K4NET_CLOSED')).toBe(true);
    await Promise.all([near.close(), closing, serving]);
  });

  it('aborts when its connection ends, without effect on others', async () => {
    const server = await fixture.plainServer();
    const contexts: HandlerContext[] = [];
    const serving = server.serve(async (_, context) => {
      contexts.push(context);
      await new Promise<void>((resolve) => {
        context.signal.addEventListener('abort', () => {
          resolve();
        });
      });
    });
    const [first, second, third] = await fixture.connectClients(server, 3);
    await until(() => contexts.length === 3);
    const aborted = (): boolean[] => contexts.map(({ signal }) => signal.aborted);
    await first!.close(undefined, { timeout: 0 });
    await until(() => aborted()[0] === true);
    expect(aborted()).toEqual([true, false, false]);
    expect(contexts[0]!.signal.reason).toMatchObject({
      code: 'K4NET_CONNECTION',
      cause: { code: 'K4NET_CONNECTION' },
    });
    const closing = server.close();
    expect(aborted()).toEqual([true, true, true]);
    await Promise.all([second!.close(), third!.close(), closing, serving]);
  });

  it('is always the same object, and is aborted if it is read after the end', async () => {
    const server = await fixture.plainServer();
    const looks: [HandlerContext, LockedSocket][] = [];
    const serving = server.serve(async (sock, context) => {
      await sock.recv();
      looks.push([context, sock]);
    });
    const near = await fixture.connectTo(server);
    await near.send('go');
    await near.close();
    await until(() => looks.length === 1);
    const [context, far] = looks[0]!;
    await far.closed;
    await turns();
    expect(context.signal.aborted).toBe(true);
    expect(context.signal).toBe(context.signal);
    expect(context.signal.reason).toMatchObject({ code: 'K4NET_CLOSED' });
    await server.close();
    await serving;
  });

  it('may have a thousand listeners without a warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    fixture.onCleanup(() => process.off('warning', note));
    const server = await fixture.plainServer();
    let told = 0;
    const serving = server.serve(async (sock, { signal }) => {
      for (let nth = 0; nth < 1000; nth += 1) signal.addEventListener('abort', () => (told += 1));
      await sock.send('listening');
      await sock.closed;
    });
    const near = await fixture.connectTo(server);
    await near.recv();
    await near.close(undefined, { timeout: 0 });
    await until(() => told === 1000);
    await server.close();
    await serving;
    await turns();
    expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
  });

  it('does not hide a handler that throws undefined before it has aborted', async () => {
    const reports: unknown[] = [];
    const server = await fixture.plainServer({ port: 0, onError: (error) => void reports.push(error) });
    const serving = server.serve(() => rejected(undefined));
    const near = await fixture.connectTo(server);
    await failure(near.recv(), 'K4NET_CONNECTION');
    expect(reports).toEqual([undefined]);
    await server.close();
    await serving;
  });

  it('keeps no memory of connections that have ended', { timeout: 60_000 }, async () => {
    needDist();
    const program = fileURLToPath(new URL('programs/handler-signals.mjs', import.meta.url));
    const { code, out, err } = await run(process.execPath, ['--expose-gc', program, '300']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { served, aborted, kept } = JSON.parse(out) as Record<string, number>;
    expect({ served, aborted }).toEqual({ served: 300, aborted: 300 });
    // The last ones may still be referenced by the stack of a loop.
    expect(kept).toBeLessThan(10);
  });

  it('has a reason that a handler may reject with unreported', async () => {
    const reports: unknown[] = [];
    const server = await fixture.plainServer({ port: 0, onError: (error) => void reports.push(error) });
    const serving = server.serve((sock, { signal }) => sock.recv({ signal }));
    const near = await fixture.connectTo(server);
    await until(() => server.connections === 1);
    await turns(5);
    await Promise.all([
      server.close(),
      near.closed,
      failure(near.recv(), 'K4NET_CLOSED').then(() => near.close()),
    ]);
    await serving;
    expect(reports).toEqual([]);
  });
});
