import dns from 'node:dns';
import { getEventListeners } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { K4netError, TimeoutError } from '../../lib/errors.js';
import { connect, type ConnectOptions } from '../../lib/net/connect.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { turns } from '../support/recorder.js';
import { listening } from '../support/streams.js';
import { networkHandles, useFixture } from '../support/fixture.js';
import { SocketSpy } from '../support/socket-spy.js';
import { failure, reasonOf, textOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A port without a listener. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server, { port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A host name whose lookup never settles, for an attempt that neither succeeds nor fails. */
function hangingHost(): { host: string; port: number; asked: () => number } {
  const lookup = vi.spyOn(dns, 'lookup').mockImplementation(() => undefined);
  return { host: 'nowhere.invalid', port: 1, asked: () => lookup.mock.calls.length };
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;
const patient = { retries: Infinity, minDelay: 1, maxDelay: 2 };

describe('connect to a server that is not there', () => {
  it('rejects with K4NET_CONNECT, the address and the error of the system', async () => {
    const port = await freePort();
    const error = await failure(connect({ plain: true, port, retry: false }), 'K4NET_CONNECT');
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain('ECONNREFUSED');
    expect(codeOf(error.cause)).toBe('ECONNREFUSED');
    expect(error.cause).not.toBeInstanceOf(K4netError);
  });

  it('names an IPv6 address in brackets', async () => {
    const error = await reasonOf(connect({ plain: true, host: '::1', port: 1, retry: false }));
    expect((error as Error).message).toContain('[::1]:1');
  });

  it('dials once with retry: false or retries: 0, and once more for each retry', async () => {
    const path = await fixture.socketPath();
    const spy = new SocketSpy('client', fixture);
    await failure(connect({ plain: true, path, retry: false }), 'K4NET_CONNECT');
    expect(spy.sockets).toHaveLength(1);
    await failure(connect({ plain: true, path, retry: { retries: 0 } }), 'K4NET_CONNECT');
    expect(spy.sockets).toHaveLength(2);
    await failure(connect({ plain: true, path, retry: { ...patient, retries: 5 } }), 'K4NET_CONNECT');
    expect(spy.sockets).toHaveLength(8);
  });

  it.each([undefined, true])('dials four times by default (retry: %s)', async (retry) => {
    const path = await fixture.socketPath();
    const spy = new SocketSpy('client', fixture);
    await failure(connect({ plain: true, path, retry }), 'K4NET_CONNECT');
    expect(spy.sockets).toHaveLength(4);
  });

  it('succeeds with a retry once the server is there, over TCP', async () => {
    const port = await freePort();
    const spy = new SocketSpy('client', fixture);
    const coming = connect({ plain: true, port, retry: patient, timeout: Infinity });
    await until(() => spy.failed > 0);
    const server = await fixture.plainServer({ port });
    const iterator = server[Symbol.asyncIterator]();
    const near = fixture.keep(await coming);
    await near.send('at last');
    const { value: far } = await iterator.next();
    expect(textOf(await far!.recv())).toBe('at last');
    expect(spy.failed).toBe(spy.sockets.length - 1);
  });

  it('succeeds with a retry once the server is there, over a Unix socket', async () => {
    const path = await fixture.socketPath();
    const spy = new SocketSpy('client', fixture);
    const coming = connect({ plain: true, path, retry: patient, timeout: Infinity });
    await until(() => spy.failed > 0);
    await fixture.plainServer({ path });
    fixture.keep(await coming);
    expect(spy.failed).toBeGreaterThan(0);
  });
});

describe('connect with an error that is not transient', () => {
  it('does not retry for a host that does not exist', async () => {
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation((...args: unknown[]) => {
      (args.at(-1) as (error: Error) => void)(cause);
    });
    const error = await failure(
      connect({ plain: true, host: 'nowhere.invalid', port: 1, retry: patient }),
      'K4NET_CONNECT',
    );
    expect(error.cause).toBe(cause);
    expect(error.message).toContain('nowhere.invalid:1');
    expect(lookup).toHaveBeenCalledTimes(1);
  });

  it.skipIf(process.platform === 'win32')('does not retry for a path through a file', async () => {
    const file = join(await fixture.folder(), 'file');
    await writeFile(file, '');
    const spy = new SocketSpy('client', fixture);
    const error = await failure(
      connect({ plain: true, path: join(file, 'socket'), retry: patient }),
      'K4NET_CONNECT',
    );
    expect(codeOf(error.cause)).toBe('ENOTDIR');
    expect(spy.sockets).toHaveLength(1);
  });

  it('does not dial if options of the socket are invalid', async () => {
    const server = await fixture.plainServer();
    const spy = new SocketSpy('client', fixture);
    await expect(connect({ plain: true, ...server.address(), maxSize: 0.5 })).rejects.toThrow(RangeError);
    expect(spy.sockets).toHaveLength(0);
    expect(server.connections).toBe(0);
  });
});

describe('the timeout of connect', () => {
  it('is ten seconds by default, and a TimeoutError without a cause if no attempt has failed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { host, port, asked } = hangingHost();
    const spy = new SocketSpy('client', fixture);
    const waiting = watch(connect({ plain: true, host, port }));
    await until(() => asked() === 1);
    vi.advanceTimersByTime(9_999);
    await turns(5);
    expect(waiting.state).toBe('pending');
    vi.advanceTimersByTime(1);
    await until(() => waiting.state === 'rejected');
    expect(waiting.reason).toBeInstanceOf(TimeoutError);
    const { timeout, message, cause } = waiting.reason as TimeoutError;
    expect({ timeout, cause }).toEqual({ timeout: 10_000, cause: undefined });
    expect(message).toContain('nowhere.invalid:1');
    expect(spy.sockets.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  it('has the error of the last attempt as its cause during the delay before a retry', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const path = await fixture.socketPath();
    const spy = new SocketSpy('client', fixture);
    const retry = { retries: Infinity, minDelay: 4_000, maxDelay: 4_000 };
    const waiting = watch(connect({ plain: true, path, retry, timeout: 500 }));
    await until(() => spy.failed === 1 && vi.getTimerCount() === 2);
    vi.advanceTimersByTime(500);
    await until(() => waiting.state === 'rejected');
    const reason = waiting.reason as TimeoutError;
    expect(reason).toBeInstanceOf(TimeoutError);
    expect(reason.timeout).toBe(500);
    expect(reason.message).toContain(path);
    expect(K4netError.is(reason.cause, 'K4NET_CONNECT')).toBe(true);
    expect(codeOf((reason.cause as Error).cause)).toBe('ENOENT');
    expect(vi.getTimerCount()).toBe(0);
    expect(spy.sockets).toHaveLength(1);
  });

  it('has the error of the last attempt as its cause during the next attempt', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const cause = Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' });
    let asked = 0;
    vi.spyOn(dns, 'lookup').mockImplementation((...args: unknown[]) => {
      asked += 1;
      if (asked === 1) (args.at(-1) as (error: Error) => void)(cause);
    });
    const retry = { retries: 1, minDelay: 10, maxDelay: 10 };
    const waiting = watch(connect({ plain: true, host: 'nowhere.invalid', port: 1, retry, timeout: 500 }));
    await until(() => vi.getTimerCount() === 2);
    vi.advanceTimersByTime(10);
    await until(() => asked === 2);
    vi.advanceTimersByTime(490);
    await until(() => waiting.state === 'rejected');
    const reason = waiting.reason as TimeoutError;
    expect(reason).toBeInstanceOf(TimeoutError);
    expect((reason.cause as Error).cause).toBe(cause);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of 0 does not wait', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { host, port } = hangingHost();
    const spy = new SocketSpy('client', fixture);
    const error = await failure(connect({ plain: true, host, port, timeout: 0 }), 'K4NET_TIMEOUT');
    expect(error).toMatchObject({ timeout: 0 });
    expect(spy.sockets.map(({ destroyed }) => destroyed)).toEqual([true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of 0 either connects at once or leaves no handle', async () => {
    const server = await fixture.plainServer();
    const outcome = await connect({ plain: true, ...server.address(), timeout: 0 }).catch(
      (error: unknown) => error,
    );
    if (outcome instanceof LockedSocket) fixture.keep(outcome);
    else expect(K4netError.is(outcome, 'K4NET_TIMEOUT')).toBe(true);
    await fixture.release();
    await until(() => networkHandles() === 0);
  });

  it('leaves no timer after a connection that succeeded in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const server = await fixture.plainServer();
    await fixture.connectTo(server, { timeout: 1_000 });
    expect(vi.getTimerCount()).toBe(0);
    await fixture.connectTo(server, { timeout: Infinity });
    await fixture.connectTo(server, { timeout: 2 ** 40 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the signal of connect', () => {
  const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

  it('prevents dialing if it has aborted before', async () => {
    const spy = new SocketSpy('client', fixture);
    const reason = new Error('not today');
    const options: ConnectOptions = { plain: true, port: 1, signal: AbortSignal.abort(reason) };
    expect(await reasonOf(connect(options))).toBe(reason);
    expect(spy.sockets).toHaveLength(0);
  });

  it('ends an attempt with its reason, whatever its type', async () => {
    const { host, port, asked } = hangingHost();
    for (const reason of [new Error('enough'), 'text', undefined]) {
      const spy = new SocketSpy('client', fixture);
      const calls = asked();
      const abort = new AbortController();
      const waiting = watch(connect({ plain: true, host, port, signal: abort.signal }));
      await until(() => asked() > calls);
      expect(listenersOf(abort.signal)).toBe(1);
      abort.abort(reason);
      await until(() => waiting.state === 'rejected');
      expect(waiting.reason).toBe(abort.signal.reason);
      expect(listenersOf(abort.signal)).toBe(0);
      expect(spy.sockets[0]?.destroyed).toBe(true);
    }
    await until(() => networkHandles() === 0);
  });

  it('ends the delay between two attempts, and its timer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const spy = new SocketSpy('client', fixture);
    const abort = new AbortController();
    const path = await fixture.socketPath();
    const waiting = watch(connect({ plain: true, path, signal: abort.signal, timeout: Infinity }));
    await until(() => spy.failed === 1 && vi.getTimerCount() === 1);
    const reason = new Error('enough');
    abort.abort(reason);
    await until(() => waiting.state === 'rejected');
    expect(waiting.reason).toBe(reason);
    expect(listenersOf(abort.signal)).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(spy.sockets).toHaveLength(1);
  });

  it('has no listener and no effect after the connection has succeeded', async () => {
    const server = await fixture.plainServer();
    const taking = server[Symbol.asyncIterator]().next();
    const abort = new AbortController();
    const near = await fixture.connectTo(server, { signal: abort.signal });
    expect(listenersOf(abort.signal)).toBe(0);
    abort.abort();
    const { value: far } = await taking;
    await near.send('still here');
    expect(textOf(await far!.recv())).toBe('still here');
  });

  it('has no listener after connecting has failed', async () => {
    const abort = new AbortController();
    const path = await fixture.socketPath();
    await failure(connect({ plain: true, path, retry: false, signal: abort.signal }), 'K4NET_CONNECT');
    expect(listenersOf(abort.signal)).toBe(0);
  });
});

describe('a socket from connect', () => {
  it('has the socket options that connect got', async () => {
    const server = await fixture.plainServer({ port: 0, maxSize: 10 });
    const taking = server[Symbol.asyncIterator]().next();
    const near = await fixture.connectTo(server, { maxSize: 5 });
    const { value: far } = await taking;
    await far!.send('123456');
    await failure(near.recv(), 'K4NET_TOO_LARGE');
  });

  it('leaves no handle after it is closed', async () => {
    const server = await fixture.plainServer();
    const serving = server.serve((sock) => sock.recv());
    const near = await fixture.connectTo(server);
    expect(networkHandles()).toBeGreaterThan(0);
    await near.send('one');
    await near.close();
    await server.close();
    await serving;
    await until(() => networkHandles() === 0);
  });

  it('leaves no handle after it was refused', async () => {
    const port = await freePort();
    await failure(connect({ plain: true, port, retry: { ...patient, retries: 3 } }), 'K4NET_CONNECT');
    await until(() => networkHandles() === 0);
  });

  it('has its local and its remote address', async () => {
    const raw = createServer((socket) => void socket.resume().on('error', () => undefined));
    const port = await listening(raw, { port: 0, host: '127.0.0.1' });
    fixture.onCleanup(() => new Promise((resolve) => raw.close(resolve)));
    const near = fixture.keep(await connect({ plain: true, port }));
    expect((raw.address() as AddressInfo).port).toBe(port);
    expect(near.remoteAddress).toBe(`127.0.0.1:${port}`);
    expect(near.localAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    await near.close(undefined, { timeout: 0 });
  });
});
