import { readdirSync } from 'node:fs';
import { packageName } from './import-time.js';
import { natsNames } from './nats-works.js';
import { PeerProcess } from './peer-process.js';
import { specialists, streamingNames } from './works.js';

const ownNames = [
  packageName,
  'LockedSocket',
  'LockedSocket-batches',
  'EncryptedSocket',
  'EncryptedSocket-batches',
  'EncryptedSocket-webcrypto',
  'QueueSocket',
  'QueueSocket-encrypted',
  ...natsNames.filter((name) => name !== 'nats'),
  ...streamingNames,
];
const encryptedNames = [
  'EncryptedSocket',
  'EncryptedSocket-batches',
  'EncryptedSocket-webcrypto',
  'QueueSocket-encrypted',
  'EncryptedSocket-nats',
  'QueueSocket-nats-encrypted',
  ...streamingNames.filter((name) => name.endsWith('-encrypted')),
  'tls',
  'tls-framed',
  'tls-batch',
  'wss',
  'wss-json',
  'zeromq-curve',
  'secret-stream',
];
const versusSuffix = '-versus';
const withoutSuffix = (name) => name.replace(new RegExp(`${versusSuffix}$`), '');

/** Whether the contestant belongs to k4net, in this build or in the one of `--versus`. */
export const isOwn = (name) => ownNames.includes(withoutSuffix(name));

/** Whether the contestant encrypts. Those that do should be compared with each other. */
export const isEncrypted = (name) => encryptedNames.includes(withoutSuffix(name));

/** The name of the same contestant in the build of `--versus`. */
export const inOtherBuild = (name) => `${name}${versusSuffix}`;

/**
 * Whether a contestant does a work.
 *
 * @param {{ name: string, versus?: string }} contestant
 * @param {import('./works.js').Work} work
 */
export function takesPart({ name, versus = name }, { contestants }) {
  return contestants?.includes(versus) ?? (versus !== packageName && !specialists.includes(versus));
}

/**
 * All contestants. Each is a file with `listen`, `connect`, `close` and `driver`; only the package
 * itself has no file. A driver has the operations that the workloads use: `sendMany`,
 * `receiveMany`, `echo` and `requests`, or `serveTypedCalls` and `prepareTypedCalls`.
 *
 * @param {URL} folder
 * @param {string} [otherBuild] - another build of k4net, as a URL: its sockets are contestants too.
 */
export function findContestants(folder, otherBuild) {
  const found = readdirSync(folder).map((file) => ({
    name: file.replace(/\.js$/, ''),
    file: new URL(file, folder).href,
    environment: {},
  }));
  found.push({ name: packageName, environment: {} });
  if (otherBuild === undefined) return found;
  const others = found
    .filter(({ name }) => isOwn(name))
    .map(({ name, file }) => ({
      name: inOtherBuild(name),
      versus: name,
      file,
      environment: { K4NET_BENCH_BUILD: otherBuild },
    }));
  return [...found, ...others];
}

/**
 * Loads every contestant once. Those that this machine cannot load are missing, with the reason.
 *
 * @param {readonly { name: string, file?: string, environment: Record<string, string> }[]}
 * contestants
 */
export async function checkContestants(contestants) {
  const present = contestants.filter(({ file }) => file === undefined);
  const missing = [];
  // One process for each build: a process loads a module only once.
  const processes = new Map();
  try {
    for (const contestant of contestants.filter(({ file }) => file !== undefined)) {
      const { name, file, environment } = contestant;
      const build = environment.K4NET_BENCH_BUILD;
      if (!processes.has(build)) processes.set(build, new PeerProcess(environment, []));
      try {
        await processes.get(build).ask('load', { file });
        present.push(contestant);
      } catch (error) {
        missing.push({ name, reason: error.message });
      }
    }
  } finally {
    await Promise.all([...processes.values()].map((each) => each.stop()));
  }
  return { present, missing };
}
