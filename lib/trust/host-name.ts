import { kindOf } from '../util/bytes.js';

const longestName = 512;

/**
 * A name in the one form under which it is kept and compared: a line that was missed for its
 * spelling would make a known server a new one.
 *
 * @throws TypeError for text that can be no name.
 */
export function hostName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`the name of a server is a string, not ${kindOf(name)}`);
  // A line that begins with '#' is a comment.
  if (name.length <= longestName && /^[!-~]+$/.test(name) && !name.startsWith('#'))
    return normalizeHostName(name);
  throw new TypeError(
    `the name of a server is 1 to ${longestName} visible ASCII characters, no '#' first, not ${JSON.stringify(name.slice(0, 80))}`,
  );
}

/**
 * The one spelling of a name: lower case, no dot at the end of a host, no zeros before a port, and an
 * IPv6 address in the short form of RFC 5952. The spelling of that is the same name again.
 */
export function normalizeHostName(name: string): string {
  const lower = name.toLowerCase();
  const inBrackets = /^\[([^\]]+)\](.*)$/.exec(lower);
  if (inBrackets) {
    return `[${shortIpv6(inBrackets[1] ?? '')}]${(inBrackets[2] ?? '').replace(/^:0+(?=\d+$)/, ':')}`;
  }
  if (/:.*:/.test(lower)) return shortIpv6(lower);
  // A colon that no port follows makes it the name of something else, such as `unix:` and a path.
  return lower.replace(/^([^:]*[^:.])\.+(:\d+)?$/, '$1$2').replace(/^(?!unix:)([^:]+:)0+(?=\d+$)/, '$1');
}

/** The short form of an IPv6 address, with its zone; anything else stays as it is. */
function shortIpv6(text: string): string {
  const [, address = '', zone = ''] = /^([^%]*)(%.*)?$/.exec(text) ?? [];
  if (!/^[0-9a-f:.]+$/.test(address)) return text;
  try {
    return new URL(`http://[${address}]`).hostname.slice(1, -1) + zone;
  } catch {
    return text;
  }
}
