import { FileError, systemCode } from '../errors.js';
import { type Bytes, toHex } from '../util/bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { builtin } from '../platform/runtime.js';
import { withFileErrors } from './file-error.js';
import { type Held, withFileLock } from './file-lock.js';
import { type FileHandle, files } from './small-file.js';

/**
 * Makes a file if there is none: whole or not at all, and never over another one.
 *
 * A rename would replace what somebody else has made meanwhile; a hard link to the finished file does not. Where
 * the file system has no hard links (FAT, some network shares) all must go through a lock, look and rename. That is
 * as safe between processes that do so, and every other way there would be a file seen half-written.
 */
export async function createOnce(path: string, bytes: Bytes, mode: number): Promise<'made' | 'exists'> {
  return withFileErrors(path, 'cannot be made', () =>
    throughTemporary(path, bytes, mode, async (temporary) => {
      const made = await linkInto(temporary, path);
      if (made !== undefined) return made;
      return withFileLock(path, async () => {
        if (await exists(path)) return 'exists';
        await renameTo(path, temporary);
        return 'made';
      });
    }),
  );
}

/** Undefined where links do not work; for what reason is not asked, for the way without them finds it again. */
async function linkInto(temporary: Temporary, path: string): Promise<'made' | 'exists' | undefined> {
  await checkPlace(temporary);
  try {
    await files().link(temporary.path, path);
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
  return withFileErrors(path, 'cannot be written', () =>
    throughTemporary(path, bytes, mode, async (temporary) => {
      await copyStatus(path, temporary.handle);
      if (!(await held())) return false;
      await renameTo(path, temporary);
      return true;
    }),
  );
}

/**
 * By the open file, never by its path: in a folder of another user the path can be a link to any
 * file by now.
 */
async function copyStatus(from: string, to: FileHandle): Promise<void> {
  try {
    const [old, fresh] = [await files().lstat(from), await to.stat()];
    if (!old.isFile()) return;
    // The other order could make it readable for a group that it is not meant for.
    if (old.uid !== fresh.uid || old.gid !== fresh.gid) await to.chown(old.uid, old.gid);
    await to.chmod(old.mode & 0o777);
  } catch {
    // No file there yet, or one of somebody else's: then it is ours from now on, and nobody else can read it.
  }
}

/** A file that is complete, under a name of its own. */
interface Temporary {
  readonly path: string;
  /** Stays open, so that the system gives the number of the file to no other one. */
  readonly handle: FileHandle;
}

async function renameTo(path: string, temporary: Temporary): Promise<void> {
  await checkPlace(temporary);
  await files().rename(temporary.path, path);
}

/**
 * Whoever owns the folder can put another file in the place of ours, which must not become the key
 * or the store.
 */
async function checkPlace({ path, handle }: Temporary): Promise<void> {
  const exact = { bigint: true } as const;
  const [there, ours] = [await files().lstat(path, exact), await handle.stat(exact)];
  if (there.ino !== ours.ino) throw new FileError(path, 'was replaced by another user');
}

/** Writes a temporary file beside the path, hands it to a task, and removes its name afterwards. */
async function throughTemporary<T>(
  path: string,
  bytes: Bytes,
  mode: number,
  task: (temporary: Temporary) => Promise<T>,
): Promise<T> {
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  try {
    const handle = await files().open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      // Without this a crash of the machine can leave the name with nothing behind it.
      await handle.sync();
      return await task({ path: temporary, handle });
    } finally {
      await handle.close();
    }
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
