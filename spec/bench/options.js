import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

export const help = `usage: npm run bench -- [options]

  --only NAME,...    only works and contestants of these names
  --repeat N         repetitions of each measurement (default 11; at most 7 or 3 where one takes long)
  --target MS        time of one measurement of throughput (default 130)
  --count N          messages or connections of one measurement instead of a time
  --connections N    idle connections whose memory is measured (default 1000)
  --quick            a first impression: few and short measurements, processes are used again
  --markdown         print the most important comparisons as Markdown
  --docs             write them to docs/performance.md, and the chart beside it
  --json FILE        write the figures there too, after each work
  --from FILE        measure nothing: show the figures of such a file
  --svg FILE         write a chart of them there
  --versus DIR       also measure another build of k4net (its dist folder), and compare this build with it
  --profile WORK     instead: run WORK once for each contestant, and write CPU profiles of both sides
  --endurance        instead: check that the cost stays the same with age, idle connections and a slow reader
`;

/** Reads and checks the options of the command line. */
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
      markdown: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      json: { type: 'string' },
      from: { type: 'string' },
      svg: { type: 'string' },
      versus: { type: 'string' },
      profile: { type: 'string' },
      endurance: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const positive = (name, defaultValue) => {
    if (values[name] === undefined) return defaultValue;
    const value = Number(values[name]);
    if (Number.isFinite(value) && value > 0) return value;
    throw new RangeError(`--${name} must be a positive number, not ${values[name]}`);
  };
  const count = positive('count');
  return {
    ...values,
    only: values.only?.split(',') ?? [],
    repeat: positive('repeat', values.quick ? 3 : 11),
    target: positive('target', values.quick ? 50 : 130) / 1000,
    count,
    connections: positive('connections', count ?? 1000),
    otherBuild: values.versus && pathToFileURL(`${resolve(values.versus)}/`).href,
  };
}

/** The machine of the figures. Figures of different machines cannot be compared. */
export function machine() {
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
  };
}
