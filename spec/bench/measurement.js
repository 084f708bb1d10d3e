/** The first and last byte of every message show whether a receiver cut it in the right places. */
const firstByte = 0xa5;
const lastByte = 0x5a;

/** A message of that many bytes. It is a Buffer, because some contestants accept nothing else. */
export function makeMessage(size) {
  const message = Buffer.alloc(size, 7);
  message[size - 1] = lastByte;
  message[0] = firstByte;
  return message;
}

/** Counts and checks the messages that a receiver gets. */
export class MessageCounter {
  messages = 0;
  bytes = 0;
  wrong = 0;

  /** @param {Uint8Array} message */
  add(message) {
    const { length } = message;
    this.messages += 1;
    this.bytes += length;
    if (message[0] !== firstByte || message[length - 1] !== lastByte) this.wrong += 1;
  }

  /** Counts a decoded value, which has no length. */
  addValue(isRight) {
    this.messages += 1;
    if (!isRight) this.wrong += 1;
  }

  /** @param {MessageCounter} other */
  include(other) {
    this.messages += other.messages;
    this.bytes += other.bytes;
    this.wrong += other.wrong;
  }

  get result() {
    return { messages: this.messages, bytes: this.bytes, wrong: this.wrong };
  }
}

/**
 * Also measures the time from one answer to the next. That is the latency of a request if the next
 * request starts when the answer is there.
 */
export class LatencyCounter extends MessageCounter {
  #latencies;
  #last = 0;

  /** @param {number} count - the number of answers. */
  constructor(count) {
    super();
    this.#latencies = new Float64Array(count);
  }

  start() {
    this.#last = performance.now();
  }

  add(message) {
    this.#lap();
    super.add(message);
  }

  addValue(isRight) {
    this.#lap();
    super.addValue(isRight);
  }

  #lap() {
    const now = performance.now();
    this.#latencies[this.messages] = now - this.#last;
    this.#last = now;
  }

  /** The time of the first 1,000 requests, and percentiles of the second half, all in seconds. */
  get result() {
    const { length } = this.#latencies;
    const half = length >> 1;
    const first = this.#latencies.subarray(0, Math.min(1000, length));
    const warm = this.#latencies.slice(half).sort();
    const percentile = (share) => warm[Math.floor((warm.length - 1) * share)] / 1000;
    return {
      ...super.result,
      latency: {
        p50: percentile(0.5),
        p99: percentile(0.99),
        first1000: first.reduce((sum, latency) => sum + latency, 0) / 1000,
      },
    };
  }
}

/** Measures the wall-clock time and the CPU time of this process. */
export class Stopwatch {
  #cpu = process.cpuUsage();
  #time = process.hrtime.bigint();
  result = { seconds: 0, cpu: 0 };

  start() {
    this.#cpu = process.cpuUsage();
    this.#time = process.hrtime.bigint();
  }

  stop() {
    const time = process.hrtime.bigint() - this.#time;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.result = { seconds: Number(time) / 1e9, cpu: (user + system) / 1e6 };
  }
}

/** The text of each notification that goes before a typed call. */
export const noteText = 'hello there';
