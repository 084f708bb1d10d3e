import { FileError, K4netError, systemCode } from '../errors.js';
import { type Bytes, concatBytes } from '../util/bytes.js';
import { builtin } from '../platform/runtime.js';

type FileSystem = ReturnType<typeof builtin<'node:fs'>>['promises'];
/** An open file. */
export type FileHandle = Awaited<ReturnType<FileSystem['open']>>;

/**
 * Returns the file system of Node.
 *
 * @throws K4netError `K4NET_UNSUPPORTED` where the runtime has none.
 */
export function fileSystem(): FileSystem {
  return builtin('node:fs', 'a key file or a known-hosts file').promises;
}

/**
 * Runs an operation on a file, and turns an error of the system into a {@link FileError} that names
 * the file.
 *
 * @param failure - the end of the message, such as "cannot be read".
 */
export async function withFileErrors<T>(
  path: string,
  failure: string,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (K4netError.is(error)) throw error;
    const code = systemCode(error);
    throw new FileError(path, code === '' ? failure : `${failure} (${code})`, error);
  }
}

/** The bytes and the owner of a file. */
export interface SmallFile {
  readonly bytes: Bytes;
  /** The permission bits. */
  readonly mode: number;
  /** User ID of the owner. */
  readonly uid: number;
}

/**
 * Reads a small file; undefined if there is none.
 *
 * All checks are made on the open file, so that a replacement after a check has no effect. Opening
 * does not block on a pipe, and reading stops after `limit` bytes.
 *
 * @param limit - the longest file in bytes.
 * @param links - whether a symbolic link is followed (the default) or refused.
 * @throws FileError for a file that cannot be read, is over the limit, or is not a regular file.
 */
export async function readSmallFile(
  path: string,
  limit: number,
  links: 'follow' | 'refuse' = 'follow',
): Promise<SmallFile | undefined> {
  return withFileErrors(path, 'cannot be read', async () => {
    const handle = await openToRead(path, links);
    if (!handle) return undefined;
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw new FileError(path, 'is not a file');
      if (status.size > limit) {
        throw new FileError(path, `has ${status.size} bytes, which exceeds the limit of ${limit} bytes`);
      }
      const bytes = await readUpTo(handle, limit + 1);
      if (bytes.length > limit) throw new FileError(path, `exceeds the limit of ${limit} bytes`);
      return { bytes, mode: status.mode & 0o777, uid: status.uid };
    } finally {
      await handle.close();
    }
  });
}

async function openToRead(path: string, links: 'follow' | 'refuse'): Promise<FileHandle | undefined> {
  const { open, lstat, constants } = fileSystem();
  // Windows has neither flag, although the types say so.
  const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>;
  try {
    if (links === 'refuse' && !(await lstat(path)).isFile()) throw new FileError(path, 'is not a file');
    return await open(path, constants.O_RDONLY | O_NONBLOCK | (links === 'refuse' ? O_NOFOLLOW : 0));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads at most `limit` bytes. Ignores the size in the file status: some file systems say 0. */
async function readUpTo(handle: FileHandle, limit: number): Promise<Bytes> {
  const parts: Bytes[] = [];
  for (let left = limit; left > 0;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(left, 65_536)));
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    left -= bytesRead;
  }
  return concatBytes(parts);
}
