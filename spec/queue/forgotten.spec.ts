import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

const program = fileURLToPath(new URL('programs/forgotten.mjs', import.meta.url));

beforeAll(needDist);

it('a forgotten promise causes an unhandled rejection for an error of the program, and not for an error of the connection', async () => {
  const { code, out, err } = await run(process.execPath, [program]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const state = 'K4NET_STATE';
  const expected: Record<string, string[]> = {};
  for (const kind of ['plain', 'encrypted']) {
    // The case 'a cut' forgets every call of a connection that breaks, and is not among these.
    Object.assign(expected, {
      [`${kind}: a wrong message`]: ['TypeError'],
      [`${kind}: a wrong option`]: ['RangeError'],
      [`${kind}: a wrong option for text`]: ['TypeError'],
      [`${kind}: a misspelt option`]: ['TypeError'],
      [`${kind}: a send after the end`]: [state],
      [`${kind}: a recv of a socket that has an owner`]: [state, state, state, state],
      [`${kind} queue: a wrong payload`]: ['TypeError'],
      [`${kind} queue: a wrong name`]: ['RangeError'],
      [`${kind} queue: a constructor that throws`]: ['RangeError'],
      [`${kind} queue: a call whose constructor throws`]: ['RangeError'],
      [`${kind} queue: a task that throws`]: ['RangeError'],
      [`${kind} queue: constructors and codecs that throw an error of this library`]:
        Array<string>(4).fill('K4NET_CONNECTION'),
      [`${kind} queue: a typed message of a wrong type`]: ['TypeError'],
      [`${kind} queue: a typed call of a wrong type`]: ['TypeError'],
      [`${kind} queue: a typed call with a wrong option`]: ['RangeError'],
      [`${kind} queue: a call before the start`]: [state, state, state, state],
    });
  }
  expect(JSON.parse(out)).toEqual(expected);
});
