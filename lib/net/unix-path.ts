import { systemCode } from '../errors.js';
import { withOptions } from '../util/options.js';
import { builtin, platform } from '../platform/runtime.js';
import { withFileLock, type LockHeld } from '../trust/file-lock.js';
import { dial } from './dial.js';

/**
 * Binds a Unix socket, and replaces the socket file of a server that is gone. Windows pipes leave
 * no file behind.
 *
 * All of it happens under the lock `<path>.lock`. Otherwise of two processes that find one stale
 * file, the second could remove the socket file that the first has made; and a socket that is bound
 * but does not listen yet looks stale.
 *
 * @param bind - makes the socket file, or rejects with the system's error.
 */
export async function bindPath(path: string, bind: () => Promise<void>): Promise<void> {
  if (platform() === 'win32') return bind();
  return withFileLock(path, async (held) => {
    try {
      await bind();
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' || !(await removeStale(path, held))) throw error;
      await bind();
    }
  });
}

/**
 * Removes the socket file of a server that is gone. Leaves a socket that still answers, a file of
 * another kind, and a file that was put there meanwhile. True if the path is free now.
 */
async function removeStale(path: string, held: LockHeld): Promise<boolean> {
  const { lstat, unlink } = builtin('node:fs', 'a Unix socket').promises;
  const found = await lstat(path).catch(() => undefined);
  if (!found) return true;
  if (!found.isSocket() || (await answers(path)) || !(await held())) return false;
  const now = await lstat(path).catch(() => undefined);
  if (now && (now.ino !== found.ino || now.ctimeMs !== found.ctimeMs)) return false;
  try {
    await unlink(path);
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
  return true;
}

/** Only a refused connection says that nobody listens; anything else may be a server with troubles of its own. */
async function answers(path: string): Promise<boolean> {
  try {
    const socket = await dial(withOptions({ path }), new AbortController().signal);
    socket.destroy();
    return true;
  } catch (error) {
    return systemCode(error instanceof Error ? error.cause : undefined) !== 'ECONNREFUSED';
  }
}
