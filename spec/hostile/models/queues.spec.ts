import { beforeAll, it } from 'vitest';
import { handles, modelTimeout, noneLeft, runCases, runsOf } from './cases.js';
import { runQueueCase } from './queue-model.js';
import { queuePlans, queueWires } from './queue-plan.js';
import { until } from '../../support/sockets.js';

let before: ReadonlyMap<string, number>;

beforeAll(() => {
  before = handles();
});

it.each(queueWires)(
  'random use of two queue sockets, %s, handles every message once and in order, and settles every promise',
  async (wire) => {
    await runCases(queuePlans(wire), runsOf(100, queueWires.length), runQueueCase);
  },
  modelTimeout,
);

it('random use of two queue sockets leaves no handle and no timer', async () => {
  await until(() => noneLeft(before));
});
