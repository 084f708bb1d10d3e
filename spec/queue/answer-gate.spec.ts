import { expect, it } from 'vitest';
import { AnswerGate } from '../../lib/queue/answer-gate.js';
import { Deferred } from '../../lib/util/wait.js';
import { turns } from '../support/recorder.js';

/** A gate before an outlet whose congestion the test controls. */
function open(congested: boolean) {
  const outlet = { congested, rooms: [] as Deferred<void>[], room: () => room() };
  const room = (): Promise<void> => {
    const deferred = new Deferred<void>();
    outlet.rooms.push(deferred);
    return deferred.promise;
  };
  let opened = 0;
  const gate = new AnswerGate(outlet, () => (opened += 1));
  /** Begins as many as may begin now. */
  const begin = (): number => {
    for (let count = 0; ; count += 1) {
      if (gate.closed || count === 1000) return count;
      gate.begin();
    }
  };
  return { gate, outlet, begin, opened: () => opened };
}

it('the answer gate allows eight callbacks in flight while the send queue is full, and waits for room once', async () => {
  const { gate, outlet, begin, opened } = open(true);
  expect(begin()).toBe(8);
  for (let i = 0; i < 100; i += 1) expect(gate.closed).toBe(true);
  expect(outlet.rooms.length).toBe(1);
  expect(gate.finish()).toBe(true);
  expect(begin()).toBe(1);
  outlet.congested = false;
  outlet.rooms[0]?.resolve();
  await turns();
  expect(opened()).toBe(1);
  expect(gate.closed).toBe(false);
});

it('the answer gate opens when the socket has failed', async () => {
  const { outlet, begin, opened } = open(true);
  expect(begin()).toBe(8);
  outlet.congested = false;
  outlet.rooms[0]?.reject(new Error('the connection broke'));
  await turns();
  expect(opened()).toBe(1);
});

it('the answer gate starts asynchronous callbacks eight at a time while the send queue has room', async () => {
  const { gate, outlet, begin, opened } = open(false);
  for (let round = 1; round <= 4; round += 1) {
    expect(begin()).toBe(8);
    await turns();
    expect(opened()).toBe(round);
  }
  expect(outlet.rooms).toEqual([]);
  // Later as many as at first, not as many as were in flight before.
  for (let i = 0; i < 32; i += 1) gate.finish();
  expect(begin()).toBe(8);
});

it('the answer gate starts one more callback each time the send queue has had room, even if it is full again', async () => {
  const { gate, outlet, begin, opened } = open(true);
  expect(begin()).toBe(8);
  for (let round = 0; round < 4; round += 1) {
    expect(gate.closed).toBe(true);
    outlet.rooms[round]?.resolve();
    await turns();
    expect(opened()).toBe(round + 1);
    expect(begin()).toBe(1);
    await turns();
    expect(gate.closed).toBe(true);
  }
  expect(outlet.rooms.length).toBe(5);
});
