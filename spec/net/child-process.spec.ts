import { fork, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromChildProcess, fromParentProcess } from '../../lib/net/child-process.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { python } from '../binary/python.js';
import { needDist } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { pattern, same } from '../support/random.js';
import { failure, fill, receiveAll, textOf } from '../support/sockets.js';
import { recordStderr } from '../support/warnings.js';

const programs = new URL('programs/', import.meta.url);
const program = fileURLToPath(new URL('child.mjs', programs));
const fixture = useFixture();

beforeAll(needDist);

type Kind = 'plain' | 'encrypted';

interface Started {
  readonly child: ChildProcess;
  readonly sock: LockedSocket;
  /** The exit code and the signal. */
  readonly exited: Promise<unknown[]>;
  /** What it has printed, once it has closed its standard output. */
  readonly printed: Promise<string>;
}

const withPipe: StdioOptions = ['ignore', 'pipe', 'pipe', 'pipe'];

function watched(child: ChildProcess): Pick<Started, 'child' | 'exited' | 'printed'> {
  fixture.onCleanup(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
  const printed = child.stdout ? once(child.stdout, 'end').then(() => text) : Promise.resolve('');
  return { child, exited: once(child, 'exit'), printed };
}

function start(task: string, kind: Kind = 'plain', env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [program, task, '3', kind], {
    stdio: withPipe,
    env: { ...process.env, ...env },
  });
  if (task !== 'print much') recordStderr(child);
  return { ...watched(child), sock: socketTo(child, kind) };
}

function socketTo(child: ChildProcess, kind: Kind = 'plain', fd?: number): LockedSocket {
  const carrier = fromChildProcess(child, { fd });
  return fixture.keep(
    kind === 'plain'
      ? new LockedSocket(carrier)
      : new EncryptedSocket(carrier, { isServer: true, key: keys.server }),
  );
}

describe.each<Kind>(['plain', 'encrypted'])('a child process over a pipe of its own, %s', (kind) => {
  it('exchanges messages of any size, and exits when both sides have closed', async () => {
    const { sock, exited } = start('send back', kind);
    for (const size of [0, 1, 1000, 300_000]) {
      await sock.send(pattern(size));
      expect(same(await sock.recv(), pattern(size))).toBe(true);
    }
    await sock.close();
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await exited).toEqual([0, null]);
  });

  it('exchanges 1000 messages in each direction at the same time', async () => {
    const { sock } = start('send back', kind);
    const sending = (async () => {
      for (let i = 0; i < 1000; i += 1) await sock.send(`message ${i}`);
      await sock.end();
    })();
    const messages = await receiveAll(sock);
    await sending;
    expect(messages.map(textOf)).toEqual(Array.from({ length: 1000 }, (_, i) => `message ${i}`));
  });

  it('may print 1 MiB to standard output and to standard error', async () => {
    const { child, sock, printed } = start('print much', kind);
    let complaints = 0;
    child.stderr?.on('data', (part: Buffer) => (complaints += part.length));
    await sock.send('hello');
    expect(await sock.recvText()).toBe('hello');
    await sock.close();
    expect((await printed).length).toBe(1024 * 1024);
    expect(complaints).toBe(1024 * 1024);
  });

  it('makes the sender wait while it reads nothing, and fails the waiting send if it is killed', async () => {
    const { child, sock } = start('read nothing', kind);
    await sock.recv();
    const { last } = await fill(sock);
    expect(last.state).toBe('pending');
    child.kill('SIGKILL');
    const { error } = await sock.closed;
    expect(error?.code).toBe('K4NET_CONNECTION');
    expect(error?.message).toBe('the child process was ended by SIGKILL');
    expect(last.reason).toBe(error);
  });

  it('fails the socket if it is killed between two messages', async () => {
    const { child, sock, exited } = start('send back', kind);
    await sock.send('hello');
    await sock.recv();
    const received = sock.recv();
    child.kill('SIGKILL');
    const { message } = await failure(received, 'K4NET_CONNECTION');
    expect(message).toBe('the child process was ended by SIGKILL');
    expect((await sock.closed).code).toBe('K4NET_CONNECTION');
    expect(await exited).toEqual([null, 'SIGKILL']);
  });

  it('fails the socket if it exits while it sends, after the messages that are complete', async () => {
    const { sock } = start('exit while it sends', kind);
    const error = (async () => {
      for (;;) expect((await sock.recv()).length).toBe(100_000);
    })();
    const { message } = await failure(error, 'K4NET_CONNECTION');
    expect(message).toBe('the child process exited with code 9');
  });

  it('still gives its last messages after it has exited', async () => {
    const { sock, exited } = start('end and exit', kind, { EXIT_CODE: '0' });
    if (kind === 'plain') expect(await exited).toEqual([0, null]);
    expect((await receiveAll(sock)).map(({ length }) => length)).toEqual(Array(100).fill(1000));
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('can end only its own direction', async () => {
    const { sock, printed } = start('end only its direction', kind);
    expect(await sock.recvText()).toBe('last');
    await failure(sock.recv(), 'K4NET_CLOSED');
    await sock.send('more');
    await sock.send('stop');
    await sock.end();
    expect(await printed).toBe('got 1\n');
  });
});

describe('a child process over a pipe of its own', () => {
  it('fails the socket if it ends and then exits with another code than 0', async () => {
    const { sock } = start('end and exit', 'plain', { EXIT_CODE: '7' });
    for (let i = 0; i < 100; i += 1) await sock.recv();
    const { message } = await failure(sock.recv(), 'K4NET_CONNECTION');
    expect(message).toBe('the child process exited with code 7');
  });

  it('reports a clean end if it is killed after both sides have ended', async () => {
    const { child, sock } = start('send back');
    await sock.close();
    child.kill('SIGKILL');
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('fails the socket if it cuts the pipe and continues', async () => {
    const { sock } = start('cut the pipe');
    await failure(sock.recv(), 'K4NET_TRUNCATED');
  });

  it('exits before its peer closes if it has unreferenced its socket', async () => {
    const { sock, exited } = start('unreference it');
    expect(await exited).toEqual([0, null]);
    expect(await receiveAll(sock)).toEqual([]);
  });

  it('can cut the socket while the end of the pipe waits for the exit of the child', async () => {
    const { child, sock, exited } = start('send back');
    await sock.send('hello');
    await sock.recv();
    child.kill('SIGKILL');
    await sock.close(undefined, { timeout: 0 });
    expect((await sock.closed).code).toBe('K4NET_TIMEOUT');
    await exited;
  });

  it('fails the socket if it does not start', async () => {
    const child = spawn('k4net-no-such-program', { stdio: withPipe });
    const failed = once(child, 'error');
    const { message } = await failure(socketTo(child).recv(), 'K4NET_CONNECTION');
    expect(message).toBe('the child process did not start');
    await failed;
  });

  it('ends when its parent is killed', async () => {
    const { child, printed } = watched(
      spawn(process.execPath, [fileURLToPath(new URL('parent.mjs', programs))], { stdio: withPipe }),
    );
    recordStderr(child);
    await once(child.stdout!, 'data');
    child.kill('SIGKILL');
    expect(await printed).toMatch(/^ready\nK4NET_CLOSED K4NET_C/);
  });

  it.each([3, 4, 5])('may have the pipe at index %i, beside the channel of fork', async (fd) => {
    const entries = ['pipe' as const, 'pipe' as const, 'pipe' as const].slice(0, fd - 3);
    const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', ...entries, 'pipe', 'ipc'];
    const sock = socketTo(fork(program, ['send back', `${fd}`], { stdio }), 'plain', fd);
    await sock.send('hello');
    expect(await sock.recvText()).toBe('hello');
    await sock.close();
  });

  it.skipIf(!python)('may be a Python program', async () => {
    const code = `
import socket, struct
sock = socket.socket(fileno=3)
size, = struct.unpack("<I", sock.recv(4, socket.MSG_WAITALL))
text = sock.recv(size, socket.MSG_WAITALL) + b" from Python"
print("printed")
sock.sendall(struct.pack("<I", len(text)) + text)
`;
    const { child, printed } = watched(spawn(python!, ['-c', code], { stdio: withPipe }));
    recordStderr(child);
    const sock = socketTo(child);
    await sock.send('hello');
    expect((await receiveAll(sock)).map(textOf)).toEqual(['hello from Python']);
    expect(await printed).toMatch(/^printed\r?\n$/);
  });
});

describe('fromChildProcess', () => {
  const stdio = "spawn the child with { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] }";

  it.each<[string, StdioOptions]>([
    ['only the standard streams', 'ignore'],
    ['the channel of fork there', ['ignore', 'ignore', 'ignore', 'ipc']],
    ['nothing there', ['ignore', 'ignore', 'ignore', 'ignore']],
  ])('throws K4NET_CONNECT for a child with %s', async (_title, given) => {
    const { child } = watched(spawn(process.execPath, ['-e', ''], { stdio: given }));
    const opening = (async () => Promise.resolve(fromChildProcess(child)))();
    const { message } = await failure(opening, 'K4NET_CONNECT');
    expect(message).toBe(`the child process has no pipe at index 3 of stdio: ${stdio}`);
  });

  it('rejects invalid arguments', () => {
    expect(() => fromChildProcess({} as never)).toThrow(TypeError);
    expect(() => fromChildProcess(undefined as never)).toThrow(TypeError);
    const child = { stdio: [], exitCode: null, signalCode: null, once: () => undefined };
    expect(() => fromChildProcess(child, { fd: 2 })).toThrow(RangeError);
    expect(() => fromChildProcess(child, { pipe: 3 } as never)).toThrow(TypeError);
    expect(() => fromParentProcess({ fd: '3' } as never)).toThrow(TypeError);
  });
});

describe('fromParentProcess', () => {
  const open = async (child: ChildProcess): Promise<string> => watched(child).printed;
  const missing = (fd: number): RegExp =>
    new RegExp(
      `^K4NET_CONNECT: file descriptor ${fd} of this process is no pipe of its parent: spawn .*'pipe'`,
    );

  it.each<[string, StdioOptions]>([
    ['is not there', ['ignore', 'pipe', 'inherit']],
    ['is the channel of fork', ['ignore', 'pipe', 'inherit', 'ipc']],
    ['is a file', ['ignore', 'pipe', 'inherit', 'ignore']],
  ])('throws K4NET_CONNECT if the descriptor %s', async (_title, stdio) => {
    const child = spawn(process.execPath, [program, 'open nothing'], { stdio });
    expect(await open(child)).toMatch(missing(3));
  });

  it('throws K4NET_CONNECT for a descriptor of the runtime itself, which continues', async () => {
    for (const fd of [4, 5, 6, 7, 8, 9, 10]) {
      const child = spawn(process.execPath, [program, 'open nothing', `${fd}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      expect(await open(child)).toMatch(missing(fd));
    }
  });

  it('throws K4NET_STATE the second time', async () => {
    const child = spawn(process.execPath, [program, 'open it again'], { stdio: withPipe });
    expect(await open(child)).toBe('K4NET_STATE: this process has opened file descriptor 3 before\n');
  });
});
