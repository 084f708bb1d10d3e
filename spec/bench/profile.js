import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takesPart } from './contestants.js';
import { ProcessPair } from './process-pair.js';
import { works } from './works.js';

const defaultCount = 100_000;
/** Waiting, and the inspector that starts and stops the profile. */
const notOfProgram = ['(idle)', 'dispatch'];

/**
 * Runs a work once for each contestant in new processes. Writes and summarizes a CPU profile of
 * each process.
 */
export async function writeProfiles(name, contestants, { count }) {
  const work = works[name];
  if (work?.workload === undefined) throw new RangeError(`--profile: no work named ${name} has processes`);
  const folder = mkdtempSync(join(tmpdir(), 'k4net-profile-'));
  const messages = count ?? work.count ?? defaultCount;
  for (const contestant of contestants.filter((each) => takesPart(each, work))) {
    const fileOf = (side) => join(folder, `${contestant.name}-${side}.cpuprofile`);
    const pair = new ProcessPair(contestant, [], (side) => ({ K4NET_BENCH_PROFILE: fileOf(side) }));
    try {
      await pair.start();
      await pair.run(work, messages);
    } finally {
      await pair.stop();
    }
    for (const file of ['client', 'server'].map(fileOf).filter((each) => existsSync(each)))
      console.log(`${file}\n${topFunctions(file, messages).join('\n')}\n`);
  }
}

/** The functions with the most self time, in microseconds a message. */
function topFunctions(file, messages, lines = 15) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
  const times = new Map();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id);
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i]);
  }
  return [...times]
    .filter(([name]) => !notOfProgram.includes(name))
    .sort(([, a], [, b]) => b - a)
    .slice(0, lines)
    .map(([name, time]) => `${(time / messages).toFixed(2).padStart(8)} us  ${name}`);
}

function describe({ functionName, url, lineNumber }) {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const file = url.replace(/^.*\/(node_modules\/|(?=(dist|bench)\/))/, '');
  return `${name} ${file}:${lineNumber + 1}`;
}
