import { kindOf } from '../util/bytes.js';
import { quoteText } from '../util/escape.js';
import { withOptions } from '../util/options.js';
import { describeAddress, storeName, toAddress, toStoreName, type Address } from './address.js';

/** Where `connect` connects to: an address of node:net, or the URL of a WebSocket. */
export type Endpoint = (
  | { readonly address: Address; readonly url?: undefined }
  | { readonly url: string; readonly address?: undefined }
) & {
  /** For messages. A query can contain a secret, so it is not part of the name. */
  readonly name: string;
  /** The name of the server in a known-hosts store. */
  readonly storeName: string;
};

/** The endpoint of an address. */
export function addressEndpoint(address: Address): Endpoint {
  return { address, name: describeAddress(address), storeName: storeName(address) };
}

/**
 * The endpoint of a URL: `tcp://host:port`, `unix:/path`, `ws://host/path` or `wss://host/path`. In
 * a page, a relative URL is one of a WebSocket of the same host.
 *
 * @throws TypeError for any other URL.
 */
export function urlEndpoint(given: string): Endpoint {
  const text = given.trim();
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === 'unix') return unixEndpoint(text);
  if (scheme !== undefined && !['tcp', 'ws', 'wss'].includes(scheme)) {
    throw wrongUrl(text, `'${scheme}:' is none of tcp:, unix:, ws: and wss:`);
  }
  const url = scheme === undefined ? relativeUrl(text) : parsed(text);
  if (!url) throw wrongUrl(text, 'it is not a valid URL');
  if (url.username !== '' || url.password !== '') throw wrongUrl(text, 'it contains a user name or password');
  if (url.hash !== '' || text.includes('#')) throw wrongUrl(text, 'it contains a fragment');
  if (url.hostname === '' || url.port === '0') throw wrongUrl(text, 'it needs a host, and a port from 1 up');
  return url.protocol === 'tcp:' ? tcpEndpoint(text, url) : webSocketEndpoint(url);
}

function tcpEndpoint(text: string, { hostname, port, pathname, search }: URL): Endpoint {
  if (pathname !== '' || search !== '') throw wrongUrl(text, 'tcp: takes no path and no query');
  if (port === '') throw wrongUrl(text, 'tcp: needs a port');
  const host = decoded(text, hostname.replace(/^\[(.*)\]$/, '$1'));
  return addressEndpoint(withOptions({ host, port: Number(port) }));
}

function unixEndpoint(text: string): Endpoint {
  if (/[?#]/.test(text)) throw wrongUrl(text, "a path with '?' or '#' must have %3F or %23 in its place");
  const path = decoded(text, text.slice('unix:'.length).replace(/^\/\/(?=\/)/, ''));
  if (/^\/\/[^./?]/.test(path)) throw wrongUrl(text, 'unix: takes a path and no host');
  try {
    return addressEndpoint(toAddress('connect', withOptions({ path })));
  } catch (error) {
    throw wrongUrl(text, error instanceof Error ? error.message : String(error));
  }
}

function webSocketEndpoint({ href, protocol, hostname, port, pathname }: URL): Endpoint {
  const name = `${protocol}//${hostname}:${port || (protocol === 'wss:' ? 443 : 80)}${pathname}`;
  return { url: href, name, storeName: toStoreName(name) };
}

/** Resolves a relative URL against the address of the page; undefined if that is not possible. */
function relativeUrl(text: string): URL | undefined {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  if (!location) throw wrongUrl(text, 'a relative URL needs a page');
  const url = parsed(text, location.href);
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url;
}

function parsed(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw wrongUrl(text, "a '%' begins no valid escape");
  }
}

/** Quotes the URL, without a password and without a query, which can be secret. */
export function wrongUrl(text: string, why: string): TypeError {
  const safe = text.replace(/\/\/[^/?#]*@/, '//***@').replace(/\?[^#]*/, '?***');
  return new TypeError(`connect cannot use the URL ${quoteText(safe)}: ${why}`);
}

/** Returns the URL that is the first argument of `connect`; undefined for options. */
export function givenUrl(given: unknown): string | undefined {
  if (typeof given === 'string') return given;
  return given instanceof URL ? given.href : undefined;
}

/** @throws TypeError for an address beside a URL. */
export function checkNoAddress(url: string, options: Readonly<Record<string, unknown>>): void {
  for (const name of ['port', 'host', 'path']) {
    if (options[name] !== undefined)
      throw wrongUrl(url, `the option '${name}' contradicts it (${kindOf(options[name])})`);
  }
}
