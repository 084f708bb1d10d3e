import { connect, createServer, type Server, type Socket } from 'node:net';
import { listening } from './streams.js';

/** The direction of a unit: to the server or to the client. */
export type Way = 'up' | 'down';
/** The bytes that the relay sends in place of a unit, or the end of the connection. */
export type Fate = readonly Uint8Array[] | 'end' | 'reset';
/** Decides about the nth unit of one direction. `back` sends bytes into the other direction. */
export type Meddle = (unit: Buffer, way: Way, nth: number, back: (bytes: Uint8Array) => void) => Fate;

/** An attacker between client and server that can change, drop and add whole units. */
export class Relay {
  port = 0;
  /** Accepted connections. */
  connections = 0;
  /** Units received in each direction. */
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

  /** Sends an end of stream in both directions of all connections. */
  endAll(): void {
    for (const stream of this.#streams) stream.end();
  }

  #pipe(from: Socket, to: Socket, way: Way): void {
    this.#streams.add(from);
    from.setNoDelay(true);
    let rest = Buffer.alloc(0);
    let over = false;
    const write = (bytes: Uint8Array): void => {
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
          for (const bytes of fate) write(bytes);
        }
      }
    });
    from.on('end', () => {
      if (!over && rest.length > 0) write(rest);
      to.end();
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#streams.delete(from);
      if (from.errored) to.destroy();
    });
  }
}
