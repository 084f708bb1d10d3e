import { FileError, systemCode } from '../errors.js';
import { type Bytes, toHex } from '../util/bytes.js';
import { randomBytes } from '../crypto/suite.js';
import { builtin } from '../platform/runtime.js';
import { type LockHeld, withFileLock } from './file-lock.js';
import { type FileHandle, fileSystem, withFileErrors } from './small-file.js';

/**
 * Makes an atomic file: complete or not at all, and never over another file.
 *
 * A rename would replace a file that another process made in the meantime; a hard link to the
 * complete temporary file does not. Some file systems have no hard links (FAT, some network
 * shares). There the file is made with a check and a rename under a file lock, which is safe
 * between processes that all use the lock. Every other way would show a partly written file.
 */
export async function createOnce(path: string, bytes: Bytes, mode: number): Promise<'made' | 'exists'> {
  return withFileErrors(path, 'cannot be made', () =>
    withTemporaryFile(path, bytes, mode, async (temporary) => {
      const made = await linkTo(path, temporary);
      if (made !== undefined) return made;
      return withFileLock(path, async () => {
        if (await exists(path)) return 'exists';
        await renameTo(path, temporary);
        return 'made';
      });
    }),
  );
}

/**
 * Undefined where hard links fail. The reason is not checked: the way with a lock meets it again.
 */
async function linkTo(path: string, temporary: TemporaryFile): Promise<'made' | 'exists' | undefined> {
  await checkNotReplaced(temporary);
  try {
    await fileSystem().link(temporary.path, path);
    return 'made';
  } catch (error) {
    return systemCode(error) === 'EEXIST' ? 'exists' : undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await fileSystem().lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Replaces a file atomically. It keeps its permissions and its owner; a new file has the given
 * mode.
 *
 * @param held - of the file lock under which the new content was made.
 * @returns false, with no change, if the lock was lost.
 */
export async function replaceFile(
  path: string,
  bytes: Bytes,
  mode: number,
  held: LockHeld,
): Promise<boolean> {
  return withFileErrors(path, 'cannot be written', () =>
    withTemporaryFile(path, bytes, mode, async (temporary) => {
      await copyStatus(path, temporary.handle);
      if (!(await held())) return false;
      await renameTo(path, temporary);
      return true;
    }),
  );
}

/**
 * Copies owner and permissions to the open file, never to its path: in a folder of another user the
 * path may be a link to any file by now.
 */
async function copyStatus(from: string, to: FileHandle): Promise<void> {
  try {
    const [old, fresh] = [await fileSystem().lstat(from), await to.stat()];
    if (!old.isFile()) return;
    // The owner comes first: the other order could let a wrong group read the file for a moment.
    if (old.uid !== fresh.uid || old.gid !== fresh.gid) await to.chown(old.uid, old.gid);
    await to.chmod(old.mode & 0o777);
  } catch {
    // There is no file yet, or another user owns it: then this user owns the new file, and only
    // they can read it.
  }
}

/** A complete file under a random name. */
interface TemporaryFile {
  readonly path: string;
  /** Stays open, so that the system gives its inode number to no other file. */
  readonly handle: FileHandle;
}

async function renameTo(path: string, temporary: TemporaryFile): Promise<void> {
  await checkNotReplaced(temporary);
  await fileSystem().rename(temporary.path, path);
}

/**
 * The owner of the folder can replace the temporary file, and must not get a key or a store of
 * their own into place.
 */
async function checkNotReplaced({ path, handle }: TemporaryFile): Promise<void> {
  const exact = { bigint: true } as const;
  const [there, ours] = [await fileSystem().lstat(path, exact), await handle.stat(exact)];
  if (there.ino !== ours.ino) throw new FileError(path, 'was replaced by another user');
}

/** Writes a temporary file beside the path, runs a task with it, and removes it. */
async function withTemporaryFile<T>(
  path: string,
  bytes: Bytes,
  mode: number,
  task: (temporary: TemporaryFile) => Promise<T>,
): Promise<T> {
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  try {
    const handle = await fileSystem().open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      // Otherwise a crash of the machine can leave an empty file under the name.
      await handle.sync();
      return await task({ path: temporary, handle });
    } finally {
      await handle.close();
    }
  } finally {
    await fileSystem().rm(temporary, { force: true });
    await syncFolder(path);
  }
}

/** Syncs the folder, so that the name survives a power cut. Windows cannot sync folders. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await fileSystem().open(builtin('node:path', 'a key file').dirname(path), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // The file is there and complete. It may be lost in a power cut within the next seconds.
  }
}
