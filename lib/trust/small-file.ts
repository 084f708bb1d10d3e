import { FileError, systemCode } from '../errors.js';
import { type Bytes, concatBytes } from '../util/bytes.js';
import { builtin } from '../platform/runtime.js';
import { withFileErrors } from './file-error.js';

/** Where the files of this folder come from: Node's own, looked up when they are needed. */
type Files = ReturnType<typeof builtin<'node:fs'>>['promises'];
/** An open file. */
export type FileHandle = Awaited<ReturnType<Files['open']>>;

/** The file system; a typed error where the runtime has none. */
export function files(): Files {
  return builtin('node:fs', 'a key file or a known-hosts file').promises;
}

/** The bytes of a file, and who owns it. */
export interface SmallFile {
  readonly bytes: Bytes;
  /** The permission bits. */
  readonly mode: number;
  /** The user who owns it. */
  readonly uid: number;
}

/**
 * Reads a small file; undefined when there is none.
 *
 * Every check is made on the open file, so that nobody can put another one in its place after the
 * check. Opening does not wait for the other end of a pipe, and no more than `limit` bytes are
 * read.
 *
 * @param limit - the most bytes that the file may have.
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
        throw new FileError(path, `is ${status.size} bytes long, over the limit of ${limit}`);
      }
      const bytes = await readUpTo(handle, limit + 1);
      if (bytes.length > limit) throw new FileError(path, `grew over the limit of ${limit} bytes`);
      return { bytes, mode: status.mode & 0o777, uid: status.uid };
    } finally {
      await handle.close();
    }
  });
}

async function openToRead(path: string, links: 'follow' | 'refuse'): Promise<FileHandle | undefined> {
  const { open, lstat, constants } = files();
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

/** The bytes of a file, or `limit` of them, whatever its status says: some systems say 0. */
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
