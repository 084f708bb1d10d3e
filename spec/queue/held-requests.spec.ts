import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';
import { type QueuePair, useFixture } from '../support/fixture.js';
import { type Watched, failure, until, watch } from '../support/sockets.js';

const fixture = useFixture();
/** How often the callback was called, and how often its signal has aborted. */
interface Seen {
  called: number;
  aborted: number;
}

/** A pair whose near side holds a request; its callback answers when its signal aborts. */
async function holding(): Promise<QueuePair & { readonly seen: Seen; readonly call: Watched<unknown> }> {
  const options = { unmatched: 'error', callTimeout: Infinity } as const;
  const pair = await fixture.startedQueuePair({ near: { ...options, dispatch: 'manual' }, far: options });
  const seen: Seen = { called: 0, aborted: 0 };
  pair.near.registerCallback('ask', (_, { signal }) => {
    seen.called += 1;
    return new Promise<void>((resolve) => {
      const onAbort = (): void => {
        seen.aborted += 1;
        resolve();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort);
    });
  });
  const call = watch(pair.far.call('ask'));
  await until(() => pair.near.stats().requestsInFlight === 1);
  return { ...pair, seen, call };
}

describe('a request that manual dispatch holds', () => {
  it('is dropped when this side closes, and its caller gets the reason', async () => {
    const { near, seen, call } = await holding();
    await near.close();
    await failure(near.recvRegistered(), 'K4NET_CLOSED');
    await until(() => call.state !== 'pending');
    expect(seen).toEqual({ called: 0, aborted: 0 });
    expect(call).toMatchObject({ state: 'rejected', reason: { code: 'K4NET_CLOSED' } });
    expect(near.stats()).toMatchObject({ requestsInFlight: 0, requestQueue: { messages: 0 } });
  });

  it('runs with an aborted signal when this side drains, and its answer is still sent', async () => {
    const { near, seen, call } = await holding();
    await near.drain();
    await until(() => call.state !== 'pending');
    expect(seen).toEqual({ called: 1, aborted: 1 });
    expect(call.state).toBe('resolved');
  });

  it('has its signal aborted when the connection fails while recvRegistered waits for it', async () => {
    const { near, seen, call, cut } = await holding();
    const performing = near.recvRegistered();
    cut();
    expect(await performing).toBe(1);
    await until(() => call.state !== 'pending');
    expect(seen).toEqual({ called: 1, aborted: 1 });
  });

  it('has its signal aborted when it waited behind a full queue while the connection failed', async () => {
    const queues = { callTimeout: Infinity, maxQueuedMessages: 1 };
    const { near, far, cut } = await fixture.startedQueuePair({
      near: { ...queues, dispatch: 'manual' },
      far: queues,
    });
    const signals: boolean[] = [];
    near.registerCallback('note', () => undefined);
    near.registerCallback('ask', (_, { signal }) => void signals.push(signal.aborted));
    for (let i = 0; i < 3; i += 1) void far.sendRegistered('note');
    const call = watch(far.call('ask'));
    // The signal must not be live while the last of these still waits.
    for (let i = 0; i < 3; i += 1) void far.sendRegistered('note');
    await far.flush();
    await until(() => near.stats().callbackQueue.messages === 1);
    cut();
    await near.closed;
    while (signals.length === 0) await near.recvRegistered();
    expect(signals).toEqual([true]);
    await until(() => call.state === 'rejected');
    while (near.stats().callbacksRun < 7) await near.recvRegistered();
    await failure(near.recvRegistered(), 'K4NET_CLOSED');
    expect(near.stats()).toMatchObject({ requestsInFlight: 0, requestQueue: { messages: 0 } });
  });
});

const program = fileURLToPath(new URL('programs/held-requests.mjs', import.meta.url));

beforeAll(needDist);

it.each([
  [1, 0],
  [20, 1],
  [255, 0],
  [255, 100],
])(
  'a request in flight counts no less than its memory, with a name of %i bytes and a payload of %i',
  async (name, payload) => {
    const { out, err } = await run(process.execPath, ['--expose-gc', program, `${name}`, `${payload}`]);
    expect(err).toBe('');
    const { cost, counted } = JSON.parse(out) as { cost: number; counted: number };
    expect(counted).toBe(512 + name + payload);
    expect(cost).toBeLessThanOrEqual(counted);
    // Nor many times as much: that would keep calls waiting for nothing.
    expect(cost).toBeGreaterThan(counted / 4);
  },
);
