// The work of both sides over a channel. The client asks for a round, and takes its time.

/** The kinds of rounds: the client sends, the server sends, or a message goes back and forth. */
const up = 1;
const down = 2;
const echo = 3;
const kinds = { up, down, echo };

/** Answers rounds until the client goes. */
export function serveRounds(channel) {
  let [kind, left] = [0, 0];
  const ended = channel.listen((message) => {
    if (left === 0) {
      const [asked, size, count] = new Uint32Array(Uint8Array.from(message).buffer);
      kind = asked;
      if (kind === down) return void sendMany(channel, size, count);
      left = count;
      return undefined;
    }
    left -= 1;
    if (kind === echo) return channel.send(message);
    return left === 0 ? channel.send(new Uint8Array(1)) : undefined;
  });
  ended?.catch(() => undefined);
}

/** The client of rounds. */
export class Rounds {
  #channel;
  /** Messages and bytes that the round still expects. */
  #left = 0;
  #bytes = 0;
  #next = () => undefined;

  constructor(channel) {
    this.#channel = channel;
    void channel.listen((message) => {
      this.#left -= 1;
      this.#bytes += message.length;
      if (this.#left === 0) this.#next();
    });
  }

  /** Runs one round. Returns its time in milliseconds. */
  async run(kind, size, count) {
    const channel = this.#channel;
    const message = new Uint8Array(size).fill(7);
    const begin = performance.now();
    await channel.send(new Uint8Array(Uint32Array.of(kinds[kind], size, count).buffer));
    if (kind === 'echo') {
      for (let n = 0; n < count; n += 1) {
        const answer = this.#expect(1);
        await channel.send(message);
        await answer;
      }
    } else {
      const all = this.#expect(kind === 'down' ? count : 1);
      if (kind === 'up') await sendMany(channel, size, count);
      await all;
    }
    const time = performance.now() - begin;
    const expected = kind === 'up' ? 1 : size * count;
    if (this.#bytes !== expected) throw new Error(`${this.#bytes} bytes came, not ${expected}`);
    this.#bytes = 0;
    return time;
  }

  #expect(count) {
    this.#left = count;
    return new Promise((resolve) => (this.#next = resolve));
  }
}

async function sendMany(channel, size, count) {
  const message = new Uint8Array(size).fill(7);
  for (let n = 0; n < count; n += 1) {
    const room = channel.send(message);
    if (room) await room;
  }
}
