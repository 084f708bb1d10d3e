import { TimeoutError } from '../errors.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import type { MessageSocket } from '../sockets/message-socket.js';
import { noHead } from '../transport/framing/encoder.js';
import { encodeKeepalive } from './envelope.js';
import { Heartbeat } from './heartbeat.js';
import type { CheckedQueueOptions } from './queue-socket-options.js';
import type { Router } from './router.js';

/** The keepalive and the idle timeout of a queue socket. */
export class Watches {
  readonly #watches: Heartbeat[] = [];

  /** @param onIdle - called after the idle timeout. */
  start(
    socket: MessageSocket,
    owned: OwnedSocket,
    router: Router,
    { heartbeat, idleTimeout }: CheckedQueueOptions,
    onIdle: () => void,
  ): void {
    if (heartbeat) {
      const { interval, timeout } = heartbeat;
      this.#watches.push(
        new Heartbeat({
          interval,
          timeout,
          counters: () => ({
            received: owned.received,
            sent: socket.stats().bytesSent,
            paused: owned.messages.full,
          }),
          onQuiet: () => {
            // Bytes that wait to be sent show the peer that this side is alive.
            if (socket.bufferedAmount === 0) void owned.sendCopy(noHead, encodeKeepalive());
          },
          onDead: () => {
            owned.fail(new TimeoutError('the peer sent nothing', timeout, undefined, 'heartbeat.timeout'));
          },
        }),
      );
    }
    if (idleTimeout !== Infinity) {
      this.#watches.push(
        new Heartbeat({
          interval: Infinity,
          timeout: idleTimeout,
          counters: () => ({
            received: router.arrived,
            sent: 0,
            paused: owned.messages.full || router.blocked,
          }),
          onQuiet: () => undefined,
          onDead: onIdle,
        }),
      );
    }
  }

  stop(): void {
    for (const watch of this.#watches.splice(0)) watch.stop();
  }
}
