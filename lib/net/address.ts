import { kindOf, toBytes } from '../util/bytes.js';
import { integer, withOptions } from '../util/options.js';
import { platform } from '../platform/runtime.js';

/** Where a server listens: a TCP port, or the path of a Unix socket or Windows pipe. */
export interface AddressOptions {
  /** TCP port. For `listen`, 0 takes a free one: `server.address()` tells which. */
  readonly port?: number | undefined;
  /** Host name or address. Default `127.0.0.1`: other machines reach a server only when it says so. */
  readonly host?: string | undefined;
  /** Path of a Unix socket, or name of a Windows pipe (`\\.\pipe\name`), in place of a port. */
  readonly path?: string | undefined;
}

/**
 * A checked address, as `connect` takes it. `toAddress` makes it without inherited properties, so that neither Node nor
 * `'path' in address` sees a `path` that is not its own.
 */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** Names of {@link AddressOptions}. */
export const addressNames: readonly string[] = ['port', 'host', 'path'];

/** The one address that the options name. */
export function toAddress(where: 'listen' | 'connect', { port, host, path }: AddressOptions): Address {
  if (path !== undefined) {
    if (typeof path !== 'string') throw new TypeError(`path is a string, not ${kindOf(path)}`);
    if (port !== undefined || host !== undefined) {
      throw new TypeError(`${where} takes 'path' or 'port' with 'host', not both`);
    }
    if (path === '' || path.includes('\0')) throw new TypeError('path is empty or has a NUL in it');
    checkLength(path);
    return withOptions({ path });
  }
  if (port === undefined) throw new TypeError(`${where} needs 'port' or 'path'`);
  if (host !== undefined && typeof host !== 'string')
    throw new TypeError(`host is a string, not ${kindOf(host)}`);
  if (host === '') throw new TypeError('host is empty: leave it out for 127.0.0.1');
  // Port 0 is a free one for a server, and nothing that a client could reach.
  const lowest = where === 'listen' ? 0 : 1;
  return withOptions({ host: host ?? '127.0.0.1', port: integer('port', port, lowest, lowest, 65_535) });
}

/** The system's address of a Unix socket is short, and some versions of Node cut off what does not fit. */
function checkLength(path: string): void {
  if (platform() === 'win32') return;
  const most = platform() === 'linux' ? 107 : 103;
  const { length } = toBytes(path);
  if (length > most) throw new RangeError(`path is at most ${most} bytes here, not ${length}: ${path}`);
}

/** An address as people write it. */
export function describeAddress(address: Address): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The name under which a known-hosts store has the server at an address. */
export function storeName(address: Address): string {
  return toStoreName('path' in address ? `unix:${address.path}` : describeAddress(address));
}

/** A name in visible ASCII, of which the lines of a known-hosts store are made. */
export function toStoreName(name: string): string {
  return name.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}
