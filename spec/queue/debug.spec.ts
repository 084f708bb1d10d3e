import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeFailure } from '../../lib/queue/envelope.js';
import { Fixture, useFixture } from '../support/fixture.js';
import { ErrorLog } from '../support/queue.js';
import { failure, textOf, until, watch } from '../support/sockets.js';

describe('QueueSocket: debug', () => {
  const fixture = useFixture();

  afterEach(async () => {
    vi.restoreAllMocks();
    await fixture.release();
  });

  it('prints a line for each callback, task and message, without its content', async () => {
    const lines: string[] = [];
    const logger = (line: string): void => void lines.push(line);
    const { near, far } = await fixture.startedQueuePair({
      near: { debug: true, logger },
      far: { debug: true, logger, unmatched: 'queue' },
    });
    far.registerCallback('chat', () => 'an answer');
    near.registerTask('task', (writer) => {
      writer.write(Buffer.from('secret'));
    });
    void near.sendRegistered('chat', 'secret');
    await until(() => far.stats().callbacksRun === 1);
    await near.performTasks();
    await near.call('chat', 'secret');
    expect(lines).toEqual([
      'Sending registered chat',
      'Performing callback chat',
      'Performing task task',
      'Sending registered task',
      'Calling chat',
      'Performing callback chat',
    ]);
  });

  it('shows unmatched messages, failures and refused calls with the peer and ids, without payloads', async () => {
    const lines: string[] = [];
    const options = { debug: true, logger: (line: string) => lines.push(line), onError: () => undefined };
    const { near, far } = await fixture.queuePair({ near: options, far: options });
    far.registerCallback('fails', () => {
      throw new Error('it fails');
    });
    near.start();
    far.start();
    await near.sendRegistered('misspelt', 'secret');
    await near.sendRegistered('fails', 'secret');
    await failure(near.call('fails', 'secret'), 'K4NET_REMOTE');
    await failure(near.call('missing', 'secret'), 'K4NET_REMOTE');
    await failure(near.call('fails', 'secret', { timeout: 0 }), 'K4NET_TIMEOUT');
    const peer = '(peer without an address)';
    expect(lines.filter((line) => line.endsWith(peer))).toEqual([
      `Dropping a message for misspelt, which has no callback ${peer}`,
      `Callback fails failed for a message: Error: it fails ${peer}`,
      `Callback fails failed for request 1: Error: it fails ${peer}`,
      `Call 1 of fails failed at the peer: "it fails" ${peer}`,
      `Refusing request 2: there is no callback 'missing' ${peer}`,
      `Call 2 of missing failed at the peer: "there is no callback 'missing'" K4NET_NO_CALLBACK ${peer}`,
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  it('shows text of the peer without control characters and bidirectional controls', async () => {
    const lines: string[] = [];
    const { queue, peer } = await fixture.queueWithPeer({
      debug: true,
      logger: (line) => void lines.push(line),
    });
    queue.start();
    const call = failure(queue.call('ask'), 'K4NET_REMOTE');
    await peer.recv();
    await peer.send(encodeFailure(1, 'CODE', 'one\n\u009b2J\u202etwo'));
    await call;
    expect(lines.at(-1)).toBe(
      'Call 1 of ask failed at the peer: "one\\n\\u{9b}2J\\u{202e}two" CODE (peer without an address)',
    );
  });

  it('shows that a caller has cancelled its request', async () => {
    const lines: string[] = [];
    const { near, far } = await fixture.startedQueuePair({
      far: { debug: true, logger: (line) => lines.push(line) },
    });
    far.registerCallback('ask', (_, { signal }) => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    });
    const abort = new AbortController();
    const call = watch(near.call('ask', '', { signal: abort.signal }));
    await until(() => far.stats().callbacksRun === 1);
    abort.abort();
    await until(() => far.stats().requestsInFlight === 0);
    expect(call.state).toBe('rejected');
    expect(lines.at(-1)).toBe('The caller of ask has cancelled request 1 (peer without an address)');
  });

  it('shows the address of the peer where there is one', async () => {
    const overTcp = new Fixture('plain over TCP');
    const lines: string[] = [];
    const logger = (line: string): void => void lines.push(line);
    const { near, far } = await overTcp.startedQueuePair({ far: { debug: true, logger, unmatched: 'drop' } });
    await near.sendRegistered('misspelt');
    await until(() => lines.length > 0);
    expect(lines[0]).toContain(`(peer ${far.remoteAddress})`);
    expect(far.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    await overTcp.release();
  });

  it('is off by default, and prints to the console without a logger', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const quiet = await fixture.queueWithPeer();
    void quiet.queue.sendRegistered('quiet');
    expect(log).not.toHaveBeenCalled();
    const loud = await fixture.queueWithPeer({ debug: true });
    void loud.queue.sendRegistered('loud');
    expect(log).toHaveBeenCalledWith('Sending registered loud');
  });

  it('survives a logger that throws', async () => {
    const errors = new ErrorLog();
    const logger = (): void => {
      throw new Error('disk full');
    };
    const { near, far } = await fixture.startedQueuePair({
      near: { unmatched: 'queue' },
      far: { debug: true, logger, onError: errors.onError },
    });
    let seen = 0;
    far.registerCallback('x', () => void (seen += 1));
    for (let i = 0; i < 3; i += 1) void near.sendRegistered('x');
    await until(() => seen === 3);
    await far.sendRegistered('y');
    expect(textOf(await near.recv())).toBe('y\0');
    expect(errors.kinds).toEqual(Array.from({ length: 4 }, () => 'hook logger'));
  });
});
