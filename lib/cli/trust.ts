import { isIPv6 } from 'node:net';
import { parseFingerprint } from '../crypto/public-key.js';
import { FileError } from '../errors.js';
import { toStoreName } from '../net/address.js';
import { hostName, newHost, type KnownHost } from '../trust/known-hosts.js';
import {
  defaultKnownHostsPath,
  editKnownHosts,
  fileKnownHosts,
  listKnownHosts,
} from '../trust/known-hosts-file.js';
import { checked, readArguments, UsageError } from './arguments.js';

/** The arguments of a command. */
interface Task {
  readonly file: string;
  readonly name: string;
  /** Empty if the command has none. */
  readonly fingerprint: string;
}

interface Action {
  readonly names: readonly string[];
  readonly run: (task: Task) => Promise<number>;
}

const actions: Readonly<Record<string, Action>> = {
  list: { names: [], run: list },
  add: { names: ['NAME', 'FINGERPRINT'], run: add },
  replace: { names: ['NAME', 'FINGERPRINT'], run: replace },
  revoke: { names: ['NAME', '[FINGERPRINT]'], run: revoke },
  remove: { names: ['NAME'], run: remove },
};

/** Shows and changes a known-hosts file. Returns the exit code. */
export async function trust([word, ...args]: readonly string[]): Promise<number> {
  const action = word !== undefined && Object.hasOwn(actions, word) ? actions[word] : undefined;
  if (!action) {
    const known = Object.keys(actions).join(', ');
    throw new UsageError(
      word === undefined
        ? `trust needs a command: ${known}`
        : `unknown trust command '${word}': known commands are ${known}`,
    );
  }
  const { positionals, options } = readArguments(args, action.names, ['file']);
  const [name, fingerprint] = positionals;
  const { file = defaultKnownHostsPath() } = options;
  checked(() => fileKnownHosts(file));
  return action.run({
    file,
    name: name === undefined ? '' : checked(() => lookedUp(name)),
    fingerprint: fingerprint === undefined ? '' : checked(() => parseFingerprint(fingerprint)),
  });
}

/** The name as `connect` looks it up. */
function lookedUp(name: string): string {
  const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(name) ?? [];
  if (isIPv6(address)) {
    throw new UsageError(`'${name}' is an IPv6 address without brackets: write '[${address}]:${port}'`);
  }
  return hostName(toStoreName(name));
}

/** Prints all servers. Reports each invalid line, and then returns the exit code 1. */
async function list({ file }: Task): Promise<number> {
  let code = 0;
  for (const host of await listKnownHosts(file)) {
    if (host instanceof FileError) {
      process.stderr.write(`k4net: ${host.message}\n`);
      code = 1;
    } else show(host);
  }
  return code;
}

async function add({ file, name, fingerprint }: Task): Promise<number> {
  const known = await editKnownHosts(file, (lines) => {
    const found = lines.find(name);
    if (found) return found;
    const host = newHost(name, fingerprint);
    lines.set(host);
    return host;
  });
  if (known.state === 'revoked' || known.fingerprint !== fingerprint) {
    const key = `${known.state === 'revoked' ? 'revoked' : 'different'} key, ${known.fingerprint},`;
    throw new FileError(file, `has a ${key} for '${name}': 'trust replace' replaces it`);
  }
  show(known);
  return 0;
}

async function replace({ file, name, fingerprint }: Task): Promise<number> {
  const host = newHost(name, fingerprint);
  await editKnownHosts(file, (lines) => {
    lines.set(host);
  });
  show(host);
  return 0;
}

async function revoke({ file, name, fingerprint }: Task): Promise<number> {
  const revoked = await editKnownHosts(file, (lines) => {
    const known = lines.find(name) ?? (fingerprint === '' ? gone(file, name) : newHost(name, fingerprint));
    if (fingerprint !== '' && known.fingerprint !== fingerprint) {
      throw new FileError(file, `has a different key, ${known.fingerprint}, for '${name}'`);
    }
    const host: KnownHost = { ...known, state: 'revoked' };
    lines.set(host);
    return host;
  });
  show(revoked);
  return 0;
}

async function remove({ file, name }: Task): Promise<number> {
  if (!(await editKnownHosts(file, (lines) => lines.delete(name)))) gone(file, name);
  return 0;
}

function gone(file: string, name: string): never {
  throw new FileError(file, `has no entry for '${name}'`);
}

function show({ name, fingerprint, state, firstSeen, lastSeen }: KnownHost): void {
  process.stdout.write(`${[name, fingerprint, state, firstSeen, lastSeen].join(' ')}\n`);
}
