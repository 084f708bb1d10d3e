import { connect, createServer, type Server, type Socket } from 'node:net';
import { listening } from './streams.js';

/** Which way a unit goes. */
export type Way = 'up' | 'down';
/** What becomes of a unit: the bytes that go on, or what is done to the connection instead. */
export type Fate = readonly Uint8Array[] | 'end' | 'reset';
/** Decides about the nth unit (with its length) of one direction; `send` puts bytes into the other direction. */
export type Meddle = (unit: Buffer, way: Way, nth: number, back: (bytes: Uint8Array) => void) => Fate;

/** Somebody in the middle, who sees where units begin and end. */
export class Relay {
  port = 0;
  /** Connections that came in. */
  connections = 0;
  /** Units that have gone each way. */
  readonly units: Record<Way, number> = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #streams = new Set<Socket>();
  readonly #meddle: Meddle;

  constructor(target: number, meddle: Meddle = (unit) => [unit]) {
    this.#meddle = meddle;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.connections += 1;
      const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
      this.#pipe(client, server, 'up');
      this.#pipe(server, client, 'down');
    });
  }

  async listen(): Promise<void> {
    this.port = await listening(this.#server, { port: 0, host: '127.0.0.1' });
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Ends both directions of all connections as an impostor would: with an end of stream. */
  endAll(): void {
    for (const stream of this.#streams) stream.end();
  }

  #pipe(from: Socket, to: Socket, way: Way): void {
    this.#streams.add(from);
    from.setNoDelay(true);
    let rest = Buffer.alloc(0);
    let over = false;
    const say = (bytes: Uint8Array): void => {
      if (to.writable) to.write(bytes);
    };
    from.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (!over && rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
        const unit = rest.subarray(0, 4 + rest.readUInt32LE(0));
        rest = rest.subarray(unit.length);
        const nth = this.units[way];
        this.units[way] += 1;
        const fate = this.#meddle(Buffer.from(unit), way, nth, (bytes) => {
          if (from.writable) from.write(bytes);
        });
        if (fate === 'end') {
          over = true;
          to.end();
        } else if (fate === 'reset') {
          over = true;
          to.resetAndDestroy();
          from.resetAndDestroy();
        } else {
          for (const bytes of fate) say(bytes);
        }
      }
    });
    from.on('end', () => {
      if (!over && rest.length > 0) say(rest);
      to.end();
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#streams.delete(from);
      if (from.errored) to.destroy();
    });
  }
}
