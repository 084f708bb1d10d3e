import { readU32, writeU32, type Bytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';

// "The credit layer" in docs/protocol.md: flow control and half-close for carriers of whole
// messages. No I/O here: `credit-transport.ts` sends and delivers.

/** The kinds of a message: its first byte. */
export const kinds: { readonly data: 0; readonly credit: 1; readonly end: 2; readonly reset: 3 } = {
  data: 0,
  credit: 1,
  end: 2,
  reset: 3,
};
type Kind = (typeof kinds)[keyof typeof kinds];

/** The code in a reset. */
export const resetCodes: { readonly cut: 0; readonly violation: 1 } = { cut: 0, violation: 1 };

/** The bytes of data in one message, at most. */
export const longestData: number = 64 * 1024;
/** The window of both sides at first: a stranger can fill so much memory before any grant. */
export const firstWindow: number = 64 * 1024;
/** The largest window of this implementation. */
export const longestWindow: number = 1024 * 1024;
const largestCredit = 2 ** 32 - 1;

/** The message that ends this direction. */
export const endMessage: () => Bytes = () => Uint8Array.of(kinds.end);

/** The message that cuts the connection. */
export const resetMessage: (code: number) => Bytes = (code) => Uint8Array.of(kinds.reset, code);

/** The message that lets the peer send that many bytes of data more. */
export function creditMessage(bytes: number): Bytes {
  const message = new Uint8Array(5);
  message[0] = kinds.credit;
  writeU32(message, 1, bytes);
  return message;
}

/**
 * The state of both directions of a connection: the credit to send, the window for what is
 * received, and how far each direction has ended.
 */
export class CreditState {
  /** Bytes of data that this side may send. */
  credit: number = firstWindow;
  /** `ending`: asked to end, but data waits. `ended`: the end is sent. */
  sending: 'open' | 'ending' | 'ended' = 'open';
  /** `heard`: the peer's end has come, but data waits. `told`: the sink has it. */
  receiving: 'open' | 'heard' | 'told' = 'open';
  /** The code of the peer's reset. */
  resetCode: number | undefined;
  #window = firstWindow;
  /** Bytes of data that the peer may send. */
  #allowance = firstWindow;
  /** Bytes that the sink has taken and that no grant has returned yet. */
  #taken = 0;

  /** Whether both ends were sent: nothing that follows counts. */
  get bothSent(): boolean {
    return this.sending === 'ended' && this.receiving !== 'open';
  }

  /** Whether both directions have ended. */
  get over(): boolean {
    return this.sending === 'ended' && this.receiving === 'told';
  }

  /**
   * Checks a message of the peer and applies it. Data follows its first byte.
   *
   * @throws K4netError `K4NET_MALFORMED` if it breaks a rule.
   */
  receive(message: Bytes): Kind {
    const { length } = message;
    if (length === 0) throw brokenRule('an empty message');
    const kind = message[0];
    if (kind === kinds.data) this.#receiveData(length - 1);
    else if (kind === kinds.credit) this.#receiveCredit(message);
    else if (kind === kinds.end) this.#receiveEnd(length);
    else if (kind === kinds.reset) {
      if (length !== 2) throw brokenRule(`a reset of ${length} bytes, not 2`);
      this.resetCode = message[1];
    } else throw brokenRule(`a message of the unknown kind ${kind}`);
    return kind;
  }

  /** The sink has taken data. */
  take(bytes: number): void {
    this.#taken += bytes;
  }

  /**
   * The bytes to grant to the peer now; 0 if no grant is due. The window doubles with a grant if
   * the sink keeps up.
   */
  grant(keepsUp: boolean): number {
    if (this.#taken * 4 < this.#window || this.receiving !== 'open') return 0;
    let bytes = this.#taken;
    if (keepsUp && this.#window < longestWindow) {
      bytes += this.#window;
      this.#window *= 2;
    }
    this.#taken = 0;
    this.#allowance += bytes;
    return bytes;
  }

  #receiveData(bytes: number): void {
    if (bytes === 0) throw brokenRule('data without a byte');
    if (this.receiving !== 'open') throw brokenRule('data after the end');
    if (bytes > this.#allowance) {
      throw brokenRule(`${bytes} bytes of data where it had credit for ${this.#allowance}`);
    }
    this.#allowance -= bytes;
  }

  #receiveCredit(message: Bytes): void {
    if (message.length !== 5) throw brokenRule(`a grant of ${message.length} bytes, not 5`);
    const bytes = readU32(message, 1);
    if (bytes === 0) throw brokenRule('a grant of no credit');
    if (this.credit + bytes > largestCredit) throw brokenRule('more credit than 2^32 - 1 bytes in sum');
    this.credit += bytes;
  }

  #receiveEnd(length: number): void {
    if (length !== 1) throw brokenRule(`an end of ${length} bytes, not 1`);
    if (this.receiving !== 'open') throw brokenRule('a second end');
    this.receiving = 'heard';
  }
}

/** The error for a message that breaks a rule of the credit layer. */
export function brokenRule(what: string): K4netError {
  return new K4netError('K4NET_MALFORMED', `the peer sent ${what}: see "The credit layer" in the protocol`);
}

/** The error for a reset of the peer. */
export function resetError(code: number | undefined): K4netError {
  const what =
    code === resetCodes.violation
      ? 'the peer cut the connection: it says that this side broke a rule of the credit layer'
      : 'the peer cut the connection';
  return new K4netError('K4NET_CONNECTION', what);
}
