import { readdirSync } from 'node:fs';
import { isOurs } from './families.js';
import { Peer } from './peer-process.js';

/**
 * Who can be measured. A contestant is a file: `listen`, `connect`, `close` and `roles`.
 *
 * @param {URL} folder
 * @param {string} [otherBuild] - another build of the library, as an address: its sockets are contestants too.
 */
export function findContestants(folder, otherBuild) {
  const found = readdirSync(folder).map((file) => ({
    name: file.replace(/\.js$/, ''),
    file: new URL(file, folder).href,
    environment: {},
  }));
  if (otherBuild === undefined) return found;
  const ours = found.filter(({ name }) => isOurs(name));
  const others = ours.map(({ name, file }) => ({
    name: `${name}-versus`,
    versus: name,
    file,
    environment: { K4NET_BENCH_BUILD: otherBuild },
  }));
  return [...found, ...others];
}

/** Who can be loaded on this machine, and who cannot, with the reason. */
export async function rollCall(contestants) {
  const present = [];
  const missing = [];
  // A process for each build of the library: a module is loaded only once.
  const builds = new Map();
  try {
    for (const contestant of contestants) {
      const { name, file, environment } = contestant;
      const build = environment.K4NET_BENCH_BUILD;
      if (!builds.has(build)) builds.set(build, new Peer(contestant, []));
      try {
        await builds.get(build).ask('load', { file });
        present.push(contestant);
      } catch (error) {
        missing.push({ name, reason: error.message });
      }
    }
  } finally {
    await Promise.all([...builds.values()].map((peer) => peer.stop()));
  }
  return { present, missing };
}
