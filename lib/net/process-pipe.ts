import { K4netError } from '../errors.js';
import { builtin, channelDescriptor, isNode, platform } from '../platform/runtime.js';
import { isDuplex } from '../transport/duplex-like.js';
import { toTransport } from '../transport/to-transport.js';
import type { Transport } from '../transport/transport.js';
import { kindOf } from '../util/bytes.js';
import { ChildTransport, type RunningChild } from './child-transport.js';

/** The file descriptors that `parentTransport` has opened: each can have one owner only. */
const opened = new Set<number>();

/** The end of the parent of a pipe between two processes. */
export function childTransport(
  child: RunningChild & { readonly stdio: readonly unknown[] },
  fd: number,
): Transport {
  if (typeof child !== 'object' || (child as unknown) === null || !Array.isArray(child.stdio)) {
    throw new TypeError(`fromChildProcess needs a child process, not ${kindOf(child)}`);
  }
  const pipe: unknown = child.stdio[fd];
  if (!isDuplex(pipe)) {
    throw noPipe(`the child process has no pipe at index ${fd} of stdio`, fd);
  }
  return new ChildTransport(child, pipe);
}

/** The end of the child of a pipe between two processes. */
export function parentTransport(fd: number): Transport {
  // Bun and Deno open no such descriptor as a socket, and Bun reports no error.
  if (!isNode()) {
    throw new K4netError('K4NET_UNSUPPORTED', 'only Node can open a pipe to its parent process');
  }
  const { Socket } = builtin('node:net', 'fromParentProcess');
  if (opened.has(fd)) {
    throw new K4netError('K4NET_STATE', `this process has opened file descriptor ${fd} before`);
  }
  if (!isPipe(fd)) throw noPipe(`file descriptor ${fd} of this process is no pipe of its parent`, fd);
  let socket;
  try {
    socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  } catch (error) {
    throw noPipe(`file descriptor ${fd} cannot be opened as a pipe`, fd, error);
  }
  opened.add(fd);
  return toTransport(socket);
}

/**
 * Whether the descriptor can be such a pipe, so that no file or pipe of the runtime itself is used
 * in its place. Node makes sockets, but pipes on Windows.
 */
function isPipe(fd: number): boolean {
  if (fd === channelDescriptor()) return false;
  try {
    const stats = builtin('node:fs', 'fromParentProcess').fstatSync(fd);
    return platform() === 'win32' ? stats.isFIFO() || stats.isSocket() : stats.isSocket();
  } catch {
    return false;
  }
}

function noPipe(what: string, fd: number, cause?: unknown): K4netError {
  const entries = ["'inherit'", "'inherit'", "'inherit'", ...Array<string>(fd - 3).fill('...'), "'pipe'"];
  const stdio = fd < 8 ? `{ stdio: [${entries.join(', ')}] }` : `'pipe' at index ${fd} of stdio`;
  return new K4netError('K4NET_CONNECT', `${what}: spawn the child with ${stdio}`, { cause });
}
