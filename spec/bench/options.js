import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

export const help = `usage: npm run bench -- [options]

  --only NAME,...    only works and contestants of these names
  --repeat N         repetitions of each measurement (default 11; of memory at most 3)
  --target MS        time of one measurement (default 130)
  --count N          messages or connections of one measurement instead of a time
  --connections N    idle connections whose memory is measured (default 1000)
  --quick            a first impression: few and short measurements, processes are used again
  --json FILE        write the figures there too
  --svg FILE         write a chart of them there
  --versus DIR       another build of the library, measured beside this one
  --profile DIR      write CPU profiles of all processes there
  --endurance        instead: does the cost stay the same with age, with crowds, with a slow reader?
`;

/** The options of the command line, checked. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      repeat: { type: 'string' },
      target: { type: 'string' },
      count: { type: 'string' },
      connections: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      svg: { type: 'string' },
      versus: { type: 'string' },
      profile: { type: 'string' },
      endurance: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const positive = (name, otherwise) => {
    if (values[name] === undefined) return otherwise;
    const value = Number(values[name]);
    if (Number.isFinite(value) && value > 0) return value;
    throw new RangeError(`--${name} is a positive number, not ${values[name]}`);
  };
  const repeat = positive('repeat', values.quick ? 3 : 11);
  const count = positive('count');
  return {
    ...values,
    only: values.only?.split(',') ?? [],
    repeat,
    weighings: Math.min(repeat, values.quick ? 1 : 3),
    target: positive('target', values.quick ? 50 : 130) / 1000,
    count,
    connections: positive('connections', count ?? 1000),
    otherBuild: values.versus && pathToFileURL(`${resolve(values.versus)}/`).href,
    execArgv: values.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(values.profile)}`] : [],
  };
}

/** Where the figures come from; without it they mean nothing. */
export function machine() {
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
  };
}
