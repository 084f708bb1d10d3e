import { beforeAll, describe, it } from 'vitest';
import { handles, modelTimeout, noneLeft, runCases, runsOf } from './cases.js';
import { runSocketCase } from './socket-model.js';
import { securities, socketPlans, wires } from './socket-plan.js';
import { until } from '../../support/sockets.js';

let before: ReadonlyMap<string, number>;

beforeAll(() => {
  before = handles();
});

describe.each(wires)('random use of two sockets over %s', (wire) => {
  const combinations = wires.length * securities.length;

  it.each(securities)(
    'delivers every message once and in order, settles every promise and reports every loss (%s)',
    async (security) => {
      await runCases(socketPlans(wire, security), runsOf(40, combinations), runSocketCase);
    },
    modelTimeout,
  );
});

it('random use of two sockets leaves no handle and no timer', async () => {
  await until(() => noneLeft(before));
});
