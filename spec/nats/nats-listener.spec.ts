import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Hub } from '../../lib/nats/hub.js';
import { hubSettings } from '../../lib/nats/hub-settings.js';
import type { NatsConnectionLike, NatsSubscribeOptions } from '../../lib/nats/nats-connection.js';
import { NatsListener } from '../../lib/nats/nats-listener.js';
import { Deferred } from '../../lib/util/wait.js';
import { turns } from '../support/recorder.js';
import { failure } from '../support/sockets.js';

const never = new Promise<never>(() => undefined);
const instance = { name: 'orders', id: 'a', version: '0.0.0', metadata: {} };

/** A connection to NATS whose faults a test chooses: a real one has them at times of its own. */
class FaultyConnection implements NatsConnectionLike {
  readonly subscriptions: { subject: string; end: (error: Error) => void }[] = [];
  readonly #over = new Deferred<undefined>();
  #isClosed = false;
  #news = new Deferred<{ type: string }>();
  flush: () => Promise<void> = () => Promise.resolve();

  publish(): void {
    // Nobody is there.
  }

  subscribe(
    subject: string,
    { callback }: NatsSubscribeOptions,
  ): ReturnType<NatsConnectionLike['subscribe']> {
    const end = (error: Error): void => callback?.(error, { subject, data: new Uint8Array(0) });
    this.subscriptions.push({ subject, end });
    return { unsubscribe: () => undefined, drain: () => Promise.resolve() };
  }

  async *status(): AsyncGenerator<{ type: string }> {
    for (;;) yield await this.#news.promise;
  }

  tell(type: string): void {
    const news = this.#news;
    this.#news = new Deferred();
    news.resolve({ type });
  }

  close(): void {
    this.#isClosed = true;
    this.#over.resolve(undefined);
  }

  closed(): Promise<undefined> {
    return this.#over.promise;
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  /** The subscriptions to a subject that were made. */
  to(subject: string): (typeof this.subscriptions)[number][] {
    return this.subscriptions.filter((each) => each.subject === subject);
  }
}

describe('an instance over a connection to NATS', () => {
  let nc: FaultyConnection;
  let listener: NatsListener;
  let errors: unknown[];

  beforeEach(() => {
    nc = new FaultyConnection();
    listener = new NatsListener(new Hub(nc, hubSettings({})), instance, 10);
    errors = [];
  });

  afterEach(async () => {
    await listener.close();
    vi.useRealTimers();
  });

  function open(): Promise<void> {
    return listener.open({ accept: () => undefined, report: (error) => void errors.push(error) });
  }

  it.each(['k4net.orders.one', 'k4net.orders.id.a'])(
    'that ends its subscription to %s reports it, and subscribes again when NATS is back',
    async (subject) => {
      await open();
      const refusal = new Error('not permitted');
      nc.to(subject)[0]!.end(refusal);
      expect(errors).toEqual([refusal]);
      expect(nc.to(subject)).toHaveLength(1);
      nc.tell('disconnect');
      await turns();
      nc.tell('reconnect');
      await turns();
      expect(nc.to(subject)).toHaveLength(2);
      nc.tell('reconnect');
      await turns();
      expect(nc.to(subject)).toHaveLength(2);
    },
  );

  it('that closes while the instance starts rejects with K4NET_LISTEN', async () => {
    nc.flush = async () => {
      if (nc.to('k4net.orders.one').length === 0) return;
      nc.close();
      await turns();
    };
    const error = await failure(open(), 'K4NET_LISTEN');
    expect(error.message).toContain('the connection to NATS has closed');
  });

  it.each([1, 2])('that does not answer question %i within 10 s rejects with K4NET_LISTEN', async (nth) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    let flushes = 0;
    nc.flush = () => ((flushes += 1) === nth ? never : Promise.resolve());
    const opening = failure(open(), 'K4NET_LISTEN');
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await opening).message).toContain('NATS did not answer within 10000 ms');
  });
});
