import type { WebSocketLike } from '../transport/web-socket.js';
import { kindOf } from '../util/bytes.js';
import { checkOptions, functionRule, type Checked, type OptionTable } from '../util/options.js';

/** A class of WebSockets, such as the global one or that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols: never, options: never) => WebSocketLike;

/** Options of {@link connect} for `ws:` and `wss:` URLs. */
export interface WebSocketDialOptions {
  /**
   * The class to use. Default in Node: that of the package `ws` if it is installed, else the global
   * one. Default elsewhere: the global one.
   */
  readonly class?: WebSocketClass | undefined;
  /** Subprotocols to offer. A browser refuses a server that chooses none of them. Default: none. */
  readonly protocols?: string | readonly string[] | undefined;
  /**
   * The third argument of the class. For that of `ws`, which it then takes in every runtime but
   * browsers: `headers`, `ca` and others.
   */
  readonly options?: object | undefined;
}

export type CheckedDial = Checked<WebSocketDialOptions, keyof WebSocketDialOptions>;

const dialTable: OptionTable<WebSocketDialOptions, keyof WebSocketDialOptions> = {
  class: functionRule(),
  protocols: {
    fallback: undefined,
    check: (_name, value) => {
      const list: readonly unknown[] = typeof value === 'string' ? [value] : value;
      if (Array.isArray(list) && list.every((each) => typeof each === 'string')) return value;
      throw new TypeError(`protocols must be a string or a list of strings, not ${kindOf(value)}`);
    },
  },
  options: {
    fallback: undefined,
    check: (_name, value) => {
      if (typeof value === 'object' && (value as unknown) !== null) return value;
      throw new TypeError(`options of webSocket must be an object, not ${kindOf(value)}`);
    },
  },
};

/** @throws TypeError for an invalid option. */
export function checkDialOptions(given: WebSocketDialOptions | undefined): CheckedDial {
  return checkOptions('webSocket of connect', given, dialTable);
}
