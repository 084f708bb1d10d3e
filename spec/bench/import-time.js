import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { shuffled } from './statistics.js';

const packages = {
  ws: 'ws',
  'socket.io': 'socket.io',
  grpc: '@grpc/grpc-js',
  zeromq: 'zeromq',
  'secret-stream': '@hyperswarm/secret-stream',
};
const ownBuild = new URL('../../dist/', import.meta.url).href;
const folder = fileURLToPath(new URL('.', import.meta.url));

/** The name of a contestant that is the package itself, not one of its sockets. */
export const packageName = 'k4net';

/**
 * Measures the time that a fresh process takes to import a package, less the time of one that
 * imports nothing.
 */
export async function sampleImports(work, contestants, { repeat }) {
  const series = contestants.map((contestant) => ({
    contestant,
    specifier: specifierOf(contestant),
    samples: [],
  }));
  for (let i = 0; i < repeat; i += 1) {
    const times = new Map();
    for (const specifier of shuffled([undefined, ...series.map((each) => each.specifier)]))
      times.set(specifier, await timeOfProcess(specifier));
    for (const { specifier, samples } of series)
      samples.push({ count: 1, seconds: times.get(specifier) - times.get(undefined) });
  }
  return series;
}

function specifierOf({ name, versus, environment }) {
  if ((versus ?? name) !== packageName) return packages[name];
  return new URL('index.js', environment.K4NET_BENCH_BUILD ?? ownBuild).href;
}

function timeOfProcess(specifier) {
  const program =
    specifier === undefined ? 'process.exit();' : `import ${JSON.stringify(specifier)}; process.exit();`;
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const args = ['--input-type=module', '--eval', program];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve((performance.now() - start) / 1000);
      else reject(new Error(`a process that imports ${specifier} ended with ${code}`));
    });
  });
}
