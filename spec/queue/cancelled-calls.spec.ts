import { expect, it } from 'vitest';
import { RemoteError } from '../../lib/errors.js';
import { useFixture } from '../support/fixture.js';
import { turns } from '../support/recorder.js';
import { failure, reasonOf, until, watch } from '../support/sockets.js';

const fixture = useFixture('plain over TCP');

it('requests that are cancelled before they start make room for others, so that the answers behind them are read', async () => {
  const options = { callTimeout: Infinity, maxQueuedMessages: 100, requestConcurrency: 4 };
  const { near, far } = await fixture.queuePair({ near: options, far: options });
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  near.registerCallback('back', () => 'back');
  far.registerCallback('work', async (_, { socket }) => {
    await gate;
    return (await socket.call('back')).read();
  });
  near.start();
  far.start();
  const kept = Array.from({ length: 4 }, () => near.call('work'));
  await until(() => far.stats().callbacksRun === 4);
  const controller = new AbortController();
  for (let round = 0; round < 10; round += 1) {
    const abort = new AbortController();
    const given = Array.from({ length: 96 }, () =>
      reasonOf(near.call('work', undefined, { signal: abort.signal })),
    );
    await until(() => far.stats().requestQueue.messages === 100);
    abort.abort('given up');
    expect(new Set(await Promise.all(given))).toEqual(new Set(['given up']));
    await until(() => far.stats().requestQueue.messages === 4);
    expect(far.stats()).toMatchObject({
      requestQueue: { bytes: 4 * (512 + 'work'.length) },
      requestsInFlight: 4,
    });
  }
  const others = Array.from({ length: 96 }, () =>
    near.call('work', undefined, { signal: controller.signal }),
  );
  await until(() => far.stats().requestQueue.messages === 100);
  open();
  for (const answer of await Promise.all([...kept, ...others])) expect(answer.remaining).toBe(4);
  expect(far.stats()).toMatchObject({ callbacksRun: 100, requestQueue: { messages: 0, bytes: 0 } });
  await Promise.all([near.close(), far.close()]);
});

it('recvRegistered does not wait for requests that are cancelled meanwhile', async () => {
  const { near, far } = await fixture.queuePair({
    far: { dispatch: 'manual', requestConcurrency: 1 },
  });
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  far.registerCallback('work', () => gate);
  near.start();
  far.start();
  const abort = new AbortController();
  const first = near.call('work');
  const given = Array.from({ length: 9 }, () =>
    reasonOf(near.call('work', undefined, { signal: abort.signal })),
  );
  await until(() => far.stats().requestQueue.messages === 10);
  const released = watch(far.recvRegistered());
  await until(() => far.stats().callbacksRun === 1);
  abort.abort('given up');
  await Promise.all(given);
  await until(() => far.stats().requestQueue.messages === 1);
  open();
  await first;
  await until(() => released.state === 'resolved');
  await Promise.all([near.close(), far.close()]);
});

it('calls to a peer that does not read wait at this end, and use no memory after they are cancelled', async () => {
  // The far end is not started: it reads what its socket holds, and no more.
  const { near } = await fixture.queuePair({ near: { callTimeout: Infinity } });
  near.start();
  const payload = new Uint8Array(500 * 1024);
  for (let round = 0; round < 200; round += 1) {
    const abort = new AbortController();
    const given = reasonOf(near.call('work', payload, { signal: abort.signal }));
    await turns(3);
    abort.abort('given up');
    expect(await given).toBe('given up');
  }
  // 100 MB were asked for: what is left are the requests that were let go when there was room.
  expect(near.bufferedAmount).toBeLessThan(2 * 1024 * 1024);
  expect(near.stats().callsInFlight).toBe(0);
});

it('a call rejects when the connection fails, although earlier messages still wait for their callback', async () => {
  const onError = (): void => undefined;
  const { near, far, cut } = await fixture.queuePair({
    far: { callTimeout: Infinity, maxQueuedMessages: 10, onError },
  });
  const ended: Promise<unknown>[] = [];
  far.registerCallback('work', async (_, { socket }) => {
    const call = socket.call('never');
    ended.push(call);
    await call;
  });
  near.registerCallback('never', () => new Promise(() => undefined));
  near.start();
  far.start();
  for (let i = 0; i < 100; i += 1) await near.sendRegistered('work');
  await until(() => far.stats().callbackQueue.messages === 10 && near.stats().requestsInFlight === 1);
  cut();
  expect((await far.closed).code).toBe('K4NET_CONNECTION');
  await failure(ended[0]!, 'K4NET_CONNECTION');
});

it('an answer and a cancel that cross have no effect on each other', async () => {
  const { near, far } = await fixture.queuePair();
  far.registerCallback('work', () => 'done');
  near.start();
  far.start();
  let answered = 0;
  for (let round = 0; round < 300; round += 1) {
    const abort = new AbortController();
    const call = watch(near.call('work', undefined, { signal: abort.signal }));
    await turns(round % 4);
    abort.abort('given up');
    await until(() => call.state !== 'pending');
    if (call.state === 'resolved') answered += 1;
    else expect(call.reason).toBe('given up');
  }
  expect(answered).toBeGreaterThan(0);
  expect(await reasonOf(near.call('unknown'))).toBeInstanceOf(RemoteError);
  expect(far.stats()).toMatchObject({ requestsInFlight: 0, requestQueue: { messages: 0, bytes: 0 } });
  await Promise.all([near.close(), far.close()]);
});
