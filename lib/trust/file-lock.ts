import { FileError, systemCode } from '../errors.js';
import { ascii, toHex } from '../util/bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { noOptions } from '../util/options.js';
import { withFileErrors } from './file-error.js';
import { files, readSmallFile } from './small-file.js';

/** Times for a lock, in milliseconds. */
export interface LockTimes {
  /** How long a lock must stay the same before its holder counts as dead. Default 3000. */
  readonly staleAfter?: number;
  /** How long to wait for the lock in all. Default 30000. */
  readonly timeout?: number;
}

// The work under the lock takes milliseconds. The rest of the time is for disks that take seconds to sync.
const defaultStaleAfter = 3_000;
const defaultTimeout = 30_000;

/** A token has 16 bytes. A longer file was not made as a lock, and is left alone. */
const longestToken = 64;

/** When to stop waiting for a lock, and when its holder counts as dead. */
interface Patience {
  readonly staleAfter: number;
  readonly timeout: number;
  /** On the clock of `performance.now()`. */
  readonly deadline: number;
}

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
 *
 * @throws FileError naming the lock file, if it cannot be made, is not a regular file, or is not
 * free in time.
 */
export async function withFileLock<T>(
  path: string,
  task: (held: Held) => Promise<T>,
  { staleAfter = defaultStaleAfter, timeout = defaultTimeout }: LockTimes = noOptions,
): Promise<T> {
  const lock = `${path}.lock`;
  const failed = 'cannot be used as a lock';
  const patience = { staleAfter, timeout, deadline: performance.now() + timeout };
  const token = await withFileErrors(lock, failed, () => acquire(lock, patience));
  try {
    return await task(async () => (await tokenIn(lock)) === token);
  } finally {
    await withFileErrors(lock, failed, () => release(lock, token));
  }
}

async function acquire(lock: string, patience: Patience): Promise<string> {
  const token = toHex(randomBytes(8));
  let seen: string | undefined;
  let since = 0;
  for (;;) {
    if (await make(lock, token)) return token;
    const holder = await tokenIn(lock);
    const now = performance.now();
    if (now >= patience.deadline) {
      throw new FileError(lock, `was not free within ${patience.timeout} ms: other processes held it`);
    }
    if (holder !== seen) {
      seen = holder;
      since = now;
    } else if (holder !== undefined && now - since >= patience.staleAfter) {
      await remove(lock, holder, patience);
      // A holder with the same token that comes back is a new one.
      seen = undefined;
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

/**
 * The token of the holder; undefined when the lock is gone, empty when its maker did not come to
 * write its token.
 *
 * @throws FileError for anything that no process of the library makes: a link, a pipe, a folder, a
 * long file.
 */
async function tokenIn(lock: string): Promise<string | undefined> {
  const file = await readSmallFile(lock, longestToken, 'refuse');
  return file && String.fromCharCode(...file.bytes);
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
async function remove(lock: string, holder: string, patience: Patience): Promise<void> {
  const right = `${lock}.${/^[0-9a-f]{16}$/.test(holder) ? holder : 'unknown'}`;
  const token = await acquire(right, patience);
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
