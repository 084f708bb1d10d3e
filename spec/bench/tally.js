/** The first and last byte of every message, so that a receiver that cuts in the wrong place is found out. */
const first = 0xa5;
const last = 0x5a;

/** A message of that many bytes; a Buffer, because some contestants take nothing else. */
export function makeMessage(size) {
  const message = Buffer.alloc(size, 7);
  message[size - 1] = last;
  message[0] = first;
  return message;
}

/** Counts what a receiver gets. */
export class Tally {
  messages = 0;
  bytes = 0;
  /** Messages whose ends are not those that were sent. */
  wrong = 0;

  /** @param {Uint8Array} message */
  add(message) {
    const length = message.length;
    this.messages += 1;
    this.bytes += length;
    if (message[0] !== first || message[length - 1] !== last) this.wrong += 1;
  }

  /** @param {Tally} other */
  include(other) {
    this.messages += other.messages;
    this.bytes += other.bytes;
    this.wrong += other.wrong;
  }

  get result() {
    return { messages: this.messages, bytes: this.bytes, wrong: this.wrong };
  }
}
