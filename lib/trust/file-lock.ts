import { systemCode } from '../errors.js';
import { ascii, toHex } from '../bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { builtin } from '../runtime.js';
import { attempt } from './file-error.js';

/** Where the files of this folder come from: Node's own, looked up when they are needed. */
type Files = ReturnType<typeof builtin<'node:fs'>>['promises'];

/** The file system; a typed error where the runtime has none. */
export function files(): Files {
  return builtin('node:fs', 'a key file or a known-hosts file').promises;
}

// The work under the lock takes milliseconds. The rest of the time is for disks that take seconds to sync.
const defaultStaleAfter = 3_000;

/** Tells the holder of a lock whether it still has it. */
export type Held = () => Promise<boolean>;

/**
 * Runs a task while no other process runs one for the same path.
 *
 * The lock is a file that its holder makes, with a random token in it, and removes. Node has no lock that ends with
 * its process, so one of a process that was killed stays: whoever has seen the same token for `staleAfter`
 * milliseconds takes it for dead. That is measured by the waiting process alone: neither the clock of a file server
 * nor process numbers, which mean nothing across containers, come into it. A holder that was merely held up must
 * ask `held` before it makes its work visible.
 */
export async function withFileLock<T>(
  path: string,
  task: (held: Held) => Promise<T>,
  staleAfter: number = defaultStaleAfter,
): Promise<T> {
  const lock = `${path}.lock`;
  const failed = 'cannot be used as a lock';
  const token = await attempt(lock, failed, () => acquire(lock, staleAfter));
  try {
    return await task(async () => (await tokenIn(lock)) === token);
  } finally {
    await attempt(lock, failed, () => release(lock, token));
  }
}

async function acquire(lock: string, staleAfter: number): Promise<string> {
  const token = toHex(randomBytes(8));
  let seen: string | undefined;
  let since = 0;
  for (;;) {
    if (await make(lock, token)) return token;
    const holder = await tokenIn(lock);
    if (holder === undefined) continue;
    const now = performance.now();
    if (holder !== seen) {
      seen = holder;
      since = now;
    } else if (now - since >= staleAfter) {
      await remove(lock, holder, staleAfter);
      continue;
    }
    await pause();
  }
}

async function make(lock: string, token: string): Promise<boolean> {
  try {
    await files().writeFile(lock, ascii(token), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    // Made but not written, on a full disk: nobody else would ever remove it early.
    await release(lock, '');
    throw error;
  }
}

/** Who holds a lock; undefined when it is gone, empty for one whose maker did not come to write its token. */
async function tokenIn(lock: string): Promise<string | undefined> {
  try {
    return await files().readFile(lock, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function release(lock: string, token: string): Promise<void> {
  if ((await tokenIn(lock)) === token) await files().rm(lock, { force: true });
}

/**
 * Removes the lock of a dead holder. Two processes that both found it dead must not both remove a file of that name:
 * the second would remove the lock that the first, or a third, has made meanwhile. So that right is a lock itself,
 * whose name has the dead token in it and is never used again; by the time that the second has it, the look inside
 * tells it that there is nothing left to do. Should its holder die as well, it is removed the same way.
 */
async function remove(lock: string, holder: string, staleAfter: number): Promise<void> {
  const right = `${lock}.${/^[0-9a-f]{16}$/.test(holder) ? holder : 'unknown'}`;
  const token = await acquire(right, staleAfter);
  try {
    await release(lock, holder);
  } finally {
    await release(right, token);
  }
}

/** A few milliseconds, never the same, so that waiting processes do not stay in step. */
function pause(): Promise<void> {
  const [random = 0] = randomBytes(1);
  return new Promise((resolve) => setTimeout(resolve, 1 + random / 25));
}
