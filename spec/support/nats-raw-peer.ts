import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { kinds, parseFrame, writeHeader, type Frame, type Kind } from '../../lib/nats/frame.js';
import { randomToken } from '../../lib/nats/subjects.js';
import { until } from './sockets.js';

/** A peer that speaks the frames of NATS as a test tells it. */
export class RawPeer {
  readonly subject: string;
  readonly frames: Frame[] = [];
  /** The end of the other side. */
  target = '';
  readonly #nc: NatsConnection;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    const hub = `_INBOX.${randomToken()}`;
    this.subject = `${hub}.${randomToken()}`;
    nc.subscribe(`${hub}.*`, {
      callback: (_error, { data, reply }: Msg) => {
        if (data.length === 0) return;
        const frame = parseFrame(data);
        this.frames.push(frame);
        if (frame.kind === kinds.accept && reply !== undefined) this.target = reply;
      },
    });
  }

  /** Opens a session, and waits for the `accept`. */
  async open(subject: string, limit: number = 262_144): Promise<void> {
    this.publish(subject, this.frame(kinds.open, { code: 1, limit }));
    await until(() => this.target !== '');
  }

  frame(
    kind: Kind,
    { code = 0, at = 0, have = 0, limit = 262_144, data = new Uint8Array(0) }: Partial<Frame> = {},
  ): Uint8Array {
    const bytes = new Uint8Array(16 + data.length);
    writeHeader(bytes, kind, code, { at, have, limit });
    bytes.set(data, 16);
    return bytes;
  }

  send(kind: Kind, fields?: Partial<Frame>): void {
    this.publish(this.target, this.frame(kind, fields));
  }

  publish(subject: string, bytes: Uint8Array, reply: string = this.subject): void {
    this.#nc.publish(subject, bytes, { reply });
  }

  /** The frames of one kind that have come. */
  of(kind: Kind): Frame[] {
    return this.frames.filter((frame) => frame.kind === kind);
  }

  async untilKind(kind: Kind, count: number = 1): Promise<void> {
    await until(() => this.of(kind).length >= count);
  }
}
