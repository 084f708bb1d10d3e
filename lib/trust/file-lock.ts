import { FileError, systemCode } from '../errors.js';
import { ascii, toHex } from '../util/bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { noOptions } from '../util/options.js';
import { fileSystem, readSmallFile, withFileErrors } from './small-file.js';

/** Times of a file lock, in milliseconds. */
export interface LockTimes {
  /** A lock that stays unchanged for so long belongs to a dead process. Default 3000. */
  readonly staleAfter?: number;
  /** The longest wait for the lock. Default 30000. */
  readonly timeout?: number;
}

// The work under the lock takes milliseconds. The rest of the time is for disks that take seconds
// to sync.
const defaultStaleAfter = 3_000;
const defaultTimeout = 30_000;

/** A token has 16 bytes. A longer file is no lock, and is left alone. */
const maxTokenLength = 64;

interface LockWait {
  readonly staleAfter: number;
  readonly timeout: number;
  /** On the clock of `performance.now()`. */
  readonly deadline: number;
}

/** Resolves with whether this process still holds the lock. */
export type LockHeld = () => Promise<boolean>;

/**
 * Runs a task while no other process runs one for the same path.
 *
 * The file lock is a file that its holder makes, with a random token in it, and removes. Node has
 * no lock that ends with its process, so the lock of a killed process stays. A process that reads
 * the same token for `staleAfter` milliseconds takes its holder for dead. Only the waiting process
 * measures that time: neither the clock of a file server nor process numbers, which mean nothing
 * across containers, matter. A holder that was only slow must call `held` before it makes its work
 * visible.
 *
 * @throws FileError naming the lock file, if it cannot be made, is not a regular file, or is not
 * free in time.
 */
export async function withFileLock<T>(
  path: string,
  task: (held: LockHeld) => Promise<T>,
  { staleAfter = defaultStaleAfter, timeout = defaultTimeout }: LockTimes = noOptions,
): Promise<T> {
  const lock = `${path}.lock`;
  const failure = 'cannot be used as a lock';
  const wait = { staleAfter, timeout, deadline: performance.now() + timeout };
  const token = await withFileErrors(lock, failure, () => acquire(lock, wait));
  try {
    return await task(async () => (await tokenIn(lock)) === token);
  } finally {
    await withFileErrors(lock, failure, () => release(lock, token));
  }
}

async function acquire(lock: string, wait: LockWait): Promise<string> {
  const token = toHex(randomBytes(8));
  let seen: string | undefined;
  let since = 0;
  for (;;) {
    if (await make(lock, token)) return token;
    const holder = await tokenIn(lock);
    const now = performance.now();
    if (now >= wait.deadline) {
      throw new FileError(lock, `was not free within ${wait.timeout} ms: other processes held it`);
    }
    if (holder !== seen) {
      seen = holder;
      since = now;
    } else if (holder !== undefined && now - since >= wait.staleAfter) {
      await removeStale(lock, holder, wait);
      // If the same token is there again, a new holder made it.
      seen = undefined;
    }
    await pause();
  }
}

async function make(lock: string, token: string): Promise<boolean> {
  try {
    await fileSystem().writeFile(lock, ascii(token), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    // On a full disk the file may be made and empty: remove it, because others would wait until it
    // is stale.
    await release(lock, '');
    throw error;
  }
}

/**
 * The token of the holder; undefined if there is no lock; empty if its holder has not written its
 * token.
 *
 * @throws FileError for a file that the library never makes as a lock: a link, a pipe, a folder, a
 * long file.
 */
async function tokenIn(lock: string): Promise<string | undefined> {
  const file = await readSmallFile(lock, maxTokenLength, 'refuse');
  return file && String.fromCharCode(...file.bytes);
}

async function release(lock: string, token: string): Promise<void> {
  if ((await tokenIn(lock)) === token) await fileSystem().rm(lock, { force: true });
}

/**
 * Removes the lock of a dead holder. If two processes find it dead, the second must not remove the
 * new lock that the first, or a third, has made in the meantime. So the right to remove it is a
 * lock too. Its name contains the dead token and is never used again. When the second process gets
 * that lock, the dead token is gone and it removes nothing. If the holder of the right dies as
 * well, its lock is removed in the same way.
 */
async function removeStale(lock: string, holder: string, wait: LockWait): Promise<void> {
  const right = `${lock}.${/^[0-9a-f]{16}$/.test(holder) ? holder : 'unknown'}`;
  const token = await acquire(right, wait);
  try {
    await release(lock, holder);
  } finally {
    await release(right, token);
  }
}

/** Waits 1 to 11 ms. The jitter keeps waiting processes from retrying at the same moments. */
function pause(): Promise<void> {
  const [random = 0] = randomBytes(1);
  return new Promise((resolve) => setTimeout(resolve, 1 + random / 25));
}
