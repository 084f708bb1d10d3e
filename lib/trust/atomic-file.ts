import { FileError, systemCode } from '../errors.js';
import { type Bytes, toHex } from '../bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { builtin } from '../runtime.js';
import { attempt } from './file-error.js';
import { type Held, files, withFileLock } from './file-lock.js';

/** What is known of a file beside its bytes. */
export interface SmallFile {
  readonly bytes: Bytes;
  /** The permission bits. */
  readonly mode: number;
}

/**
 * Reads a file that must be a small one; undefined when there is none.
 *
 * @throws FileError for one that cannot be read, is over the limit, or is no file: a pipe would be waited for.
 */
export async function readSmallFile(path: string, limit: number): Promise<SmallFile | undefined> {
  return attempt(path, 'cannot be read', async () => {
    const { stat, readFile } = files();
    try {
      const status = await stat(path);
      if (!status.isFile()) throw new FileError(path, 'is not a file');
      if (status.size > limit) {
        throw new FileError(path, `is ${status.size} bytes long, over the limit of ${limit}`);
      }
      return { bytes: await readFile(path), mode: status.mode & 0o777 };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  });
}

/**
 * Makes a file if there is none: whole or not at all, and never over another one.
 *
 * A rename would replace what somebody else has made meanwhile; a hard link to the finished file does not. Where
 * the file system has no hard links (FAT, some network shares) all must go through a lock, look and rename. That is
 * as safe between processes that do so, and every other way there would be a file seen half-written.
 */
export async function createOnce(path: string, bytes: Bytes, mode: number): Promise<'made' | 'exists'> {
  return attempt(path, 'cannot be made', () =>
    throughTemporary(path, bytes, mode, async (temporary) => {
      const made = await linkInto(temporary, path);
      if (made !== undefined) return made;
      return withFileLock(path, async () => {
        if (await exists(path)) return 'exists';
        await files().rename(temporary, path);
        return 'made';
      });
    }),
  );
}

/** Undefined where links do not work; for what reason is not asked, for the way without them finds it again. */
async function linkInto(temporary: string, path: string): Promise<'made' | 'exists' | undefined> {
  try {
    await files().link(temporary, path);
    return 'made';
  } catch (error) {
    return systemCode(error) === 'EEXIST' ? 'exists' : undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await files().lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Puts a file in the place of another, whole or not at all. Permissions and owner stay what they were; a new file
 * has the given mode.
 *
 * @param held - the lock under which the new content was made.
 * @returns false, with nothing done, if the lock was lost meanwhile.
 */
export async function replaceFile(path: string, bytes: Bytes, mode: number, held: Held): Promise<boolean> {
  return attempt(path, 'cannot be written', () =>
    throughTemporary(path, bytes, mode, async (temporary) => {
      await copyStatus(path, temporary);
      if (!(await held())) return false;
      await files().rename(temporary, path);
      return true;
    }),
  );
}

async function copyStatus(from: string, to: string): Promise<void> {
  const { stat, chmod, chown } = files();
  try {
    const [old, fresh] = [await stat(from), await stat(to)];
    // The other order could make it readable for a group that it is not meant for.
    if (old.uid !== fresh.uid || old.gid !== fresh.gid) await chown(to, old.uid, old.gid);
    await chmod(to, old.mode & 0o777);
  } catch {
    // No file there yet, or one of somebody else's: then it is ours from now on, and nobody else can read it.
  }
}

/** Writes a temporary file beside the path, hands it to a task, and takes care that it is gone afterwards. */
async function throughTemporary<T>(
  path: string,
  bytes: Bytes,
  mode: number,
  task: (temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  try {
    const handle = await files().open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      // Without this a crash of the machine can leave the name with nothing behind it.
      await handle.sync();
    } finally {
      await handle.close();
    }
    return await task(temporary);
  } finally {
    await files().rm(temporary, { force: true });
    await syncFolder(path);
  }
}

/** Makes the name of a new file last; where folders cannot be synced (Windows) it is the system's affair. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await files().open(builtin('node:path', 'a key file').dirname(path), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The file is there and whole; only its surviving a power cut in the next seconds is not certain.
  }
}
