import { toBytes } from '../util/bytes.js';
import { integer, stringRule, uncheckedRule, withOptions, type OptionTable } from '../util/options.js';
import { platform } from '../platform/runtime.js';

/** Where a server listens: a TCP port, or the path of a Unix socket or Windows pipe. */
export interface AddressOptions {
  /** TCP port. For `listen`, 0 takes a free one: `server.address()` returns it. */
  readonly port?: number | undefined;
  /** Host name or address. Default `127.0.0.1`: only this machine can reach the server. */
  readonly host?: string | undefined;
  /** Path of a Unix socket, or name of a Windows pipe (`\\.\pipe\name`), in place of a port. */
  readonly path?: string | undefined;
}

/**
 * An address in the form that `connect` takes. It inherits no properties, so that neither Node nor
 * `'path' in address` sees a `path` of `Object.prototype`.
 */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** The options of an address. `toAddress` checks the port, whose minimum depends on the use. */
export const addressTable: OptionTable<AddressOptions, keyof AddressOptions> = {
  port: uncheckedRule(),
  host: stringRule(),
  path: stringRule(),
};

/**
 * Checks the address of options.
 *
 * @param options - as checked with `addressTable`.
 */
export function toAddress(where: 'listen' | 'connect', { port, host, path }: AddressOptions): Address {
  if (path !== undefined) {
    if (port !== undefined || host !== undefined) {
      throw new TypeError(`${where} takes 'path' or 'port' with 'host', not both`);
    }
    if (path === '' || path.includes('\0'))
      throw new TypeError('path must not be empty or contain a NUL character');
    checkPathLength(path);
    return withOptions({ path });
  }
  if (port === undefined) throw new TypeError(`${where} needs 'port' or 'path'`);
  if (host === '') throw new TypeError('host must not be empty: leave it out for 127.0.0.1');
  // A client cannot connect to port 0.
  const minPort = where === 'listen' ? 0 : 1;
  return withOptions({ host: host ?? '127.0.0.1', port: integer('port', port, minPort, 65_535) });
}

/**
 * The system's address of a Unix socket is short, and some versions of Node truncate a longer path.
 */
function checkPathLength(path: string): void {
  if (platform() === 'win32') return;
  const maxLength = platform() === 'linux' ? 107 : 103;
  const { length } = toBytes(path);
  if (length > maxLength) {
    throw new RangeError(`path must be at most ${maxLength} bytes on this system, not ${length}: ${path}`);
  }
}

/** Returns an address as text: `host:port`, `[IPv6]:port` or the path. */
export function describeAddress(address: Address): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Returns an address as a URL that `connect` takes. */
export function addressUrl(address: Address): string {
  if (!('path' in address)) return `tcp://${describeAddress(address)}`;
  return `unix:${address.path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Returns the host of `host:port` or `[IPv6]:port`; an empty string stays one. */
export function hostOf(address: string): string {
  const [, inBrackets, plain] = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(address) ?? [];
  return inBrackets ?? plain ?? address;
}

/** Returns the name of a server in a known-hosts store. */
export function storeName(address: Address): string {
  return toStoreName('path' in address ? `unix:${address.path}` : describeAddress(address));
}

/** Escapes a name into visible ASCII, which a known-hosts store needs. */
export function toStoreName(name: string): string {
  return name.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}
