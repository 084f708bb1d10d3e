import { systemCode } from '../errors.js';
import { builtin, platform } from '../runtime.js';
import { dial } from './dial.js';

/**
 * Takes away the socket file of a server that is gone, and nothing else: not one that still answers, not a file of
 * another kind, not one that somebody put there meanwhile. True if the path is free now.
 */
export async function removeStale(path: string): Promise<boolean> {
  if (platform() === 'win32') return false;
  const { promises } = builtin('node:fs', 'a Unix socket');
  const found = await promises.lstat(path).catch(() => undefined);
  if (!found) return true;
  if (!found.isSocket() || (await answers(path))) return false;
  const now = await promises.lstat(path).catch(() => undefined);
  if (now && (now.ino !== found.ino || now.ctimeMs !== found.ctimeMs)) return false;
  try {
    await promises.unlink(path);
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
  return true;
}

/** Only a refused connection says that nobody listens; anything else may be a server with troubles of its own. */
async function answers(path: string): Promise<boolean> {
  try {
    const socket = await dial({ path }, new AbortController().signal);
    socket.destroy();
    return true;
  } catch (error) {
    return systemCode(error instanceof Error ? error.cause : undefined) !== 'ECONNREFUSED';
  }
}
