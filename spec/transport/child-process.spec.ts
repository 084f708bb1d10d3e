import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex, Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import type { Carrier } from '../../lib/transport/to-transport.js';
import { needDist } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { pattern, same } from '../support/random.js';
import { failure, receiveAll } from '../support/sockets.js';
import { recordStderr } from '../support/warnings.js';

const program = fileURLToPath(new URL('programs/child.mjs', import.meta.url));
const fixture = useFixture();

beforeAll(needDist);

type Pipe = 'stdio' | 'an extra pipe';

function start(pipe: Pipe, ending = ''): { sock: LockedSocket; exited: Promise<unknown[]> } {
  const stdio: StdioOptions =
    pipe === 'stdio' ? ['pipe', 'pipe', 'pipe'] : ['ignore', 'ignore', 'pipe', 'pipe'];
  const child = spawn(process.execPath, [program, pipe, ending], { stdio });
  recordStderr(child);
  fixture.onCleanup(() => child.kill('SIGKILL'));
  const carrier: Carrier =
    pipe === 'stdio'
      ? { readable: child.stdout as Readable, writable: child.stdin as Writable }
      : (child.stdio[3] as Duplex);
  return { sock: fixture.keep(new LockedSocket(carrier)), exited: once(child, 'exit') };
}

describe.each<Pipe>(['stdio', 'an extra pipe'])('a child process at %s', (pipe) => {
  it('exchanges messages, and exits when both sides have closed', async () => {
    const { sock, exited } = start(pipe);
    for (const size of [0, 1, 1000, 300_000]) {
      await sock.send(pattern(size));
      expect(same(await sock.recv(), pattern(size))).toBe(true);
    }
    await sock.close();
    expect(await sock.closed).toEqual({ code: 'K4NET_CLOSED' });
    expect(await exited).toEqual([0, null]);
  });

  it('still gives its last messages after it has exited', async () => {
    const { sock, exited } = start(pipe, 'exit');
    expect(await exited).toEqual([7, null]);
    const messages: Uint8Array[] = [];
    for (let i = 0; i < 100; i += 1) messages.push(await sock.recv());
    expect(messages.every(({ length }) => length === 1000)).toBe(true);
    await failure(sock.recv(), 'K4NET_CLOSED');
  });

  it('exits before its peer closes when it has unreferenced its socket', async () => {
    const { sock, exited } = start(pipe, 'unref');
    expect((await exited)[1]).toBeNull();
    expect(await receiveAll(sock)).toEqual([]);
  });
});
