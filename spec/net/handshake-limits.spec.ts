import { describe, expect, it } from 'vitest';
import { DecryptQueue } from '../../lib/net/decrypt-queue.js';
import { HandshakeLimits, type HandshakeSlot } from '../../lib/net/handshake-limits.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { turns } from '../support/recorder.js';
import { refused } from '../support/secrets.js';
import { reasonOf, until } from '../support/sockets.js';

/** Limits whose clients have all sent a hello, unless the test overrides it. */
class Gate extends HandshakeLimits {
  /** The slots that newer connections took, by number. */
  readonly dropped: number[] = [];
  #entered = 0;

  silent(address: string, crowded?: boolean): HandshakeSlot | undefined {
    const place = super.acquire(address, crowded);
    const nth = this.#entered;
    this.#entered += 1;
    if (place) place.onDrop = () => this.dropped.push(nth);
    return place;
  }

  greeted(address: string): HandshakeSlot | undefined {
    const place = this.silent(address);
    place?.onHello();
    return place;
  }
}

describe('the handshake limits of a server', () => {
  it('bound the handshakes in progress, in all and for one address', () => {
    const gate = new Gate(5, 2);
    const places = [gate.greeted('192.0.2.1'), gate.greeted('192.0.2.1')];
    expect(places.every(Boolean)).toBe(true);
    expect(gate.greeted('192.0.2.1')).toBeUndefined();
    expect(gate.pending).toBe(2);
    const others = [gate.greeted('192.0.2.2'), gate.greeted('2001:db8::1'), gate.greeted('192.0.2.3')];
    expect(others.every(Boolean)).toBe(true);
    expect(gate.greeted('192.0.2.4')).toBeUndefined();
    places[0]!.release();
    places[0]!.release();
    expect(gate.pending).toBe(4);
    expect(gate.greeted('192.0.2.1')).toBeDefined();
    expect(gate.pending).toBe(5);
    for (const place of [places[1], ...others]) place!.release();
    expect(gate.pending).toBe(1);
    expect(gate.greeted('192.0.2.1')).toBeDefined();
    expect(gate.greeted('192.0.2.1')).toBeUndefined();
  });

  it.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1', ''])(
    'have no limit per address for this machine (%j)',
    (address) => {
      const gate = new Gate(4, 1);
      for (let i = 0; i < 4; i += 1) expect(gate.greeted(address)).toBeDefined();
      expect(gate.greeted(address)).toBeUndefined();
    },
  );

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8::1', '2001:db8:0:0:1::'],
    ['2001:db8::1', '2001:0db8::2'],
    ['2001:DB8:a::', '2001:db8:A::5:6:7'],
    ['fe80::1%eth0', 'fe80::2%eth1'],
    ['::2', '::3:4:5:6'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['192.0.2.1', '::FFFF:192.0.2.1'],
  ])('count %s and %s as one network, because a host has a whole /64', (one, other) => {
    const gate = new Gate(4, 1);
    expect(gate.greeted(one)).toBeDefined();
    expect(gate.greeted(other)).toBeUndefined();
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['2001:db8::1', '2001:db8:0:1::1'],
    ['::1:2:3:4:5', '::2:2:3:4:5'],
    ['192.0.2.1', '192.0.2.2'],
    ['192.0.2.1', '::ffff:192.0.2.2'],
  ])('count %s and %s as two networks', (one, other) => {
    const gate = new Gate(4, 1);
    expect(gate.greeted(one)).toBeDefined();
    expect(gate.greeted(other)).toBeDefined();
  });

  it('drop the oldest client without a hello for a new one if all slots are taken', () => {
    const gate = new Gate(3, 3);
    expect(gate.greeted('192.0.2.1')).toBeDefined();
    const [one, two] = [gate.silent('192.0.2.2'), gate.silent('192.0.2.3')];
    const three = gate.silent('192.0.2.4');
    expect(gate.dropped).toEqual([1]);
    two!.onHello();
    expect(gate.silent('192.0.2.5')).toBeDefined();
    expect(gate.dropped).toEqual([1, 3]);
    // A dropped client releases its slot again, without effect.
    one!.release();
    three!.release();
    expect(gate.pending).toBe(3);
  });

  it('drop a client without a hello of the same address if the limit of that address is reached', () => {
    const gate = new Gate(8, 2);
    gate.silent('192.0.2.1');
    gate.silent('2001:db8::1');
    gate.silent('2001:db8::2');
    expect(gate.silent('2001:db8::3')).toBeDefined();
    expect(gate.dropped).toEqual([1]);
    expect(gate.pending).toBe(3);
  });

  it('drop a client without a hello if the server has no room', () => {
    const gate = new Gate(8, 8);
    expect(gate.silent('192.0.2.1', true)).toBeUndefined();
    gate.silent('192.0.2.1');
    expect(gate.silent('192.0.2.2', true)).toBeDefined();
    expect(gate.dropped).toEqual([1]);
    expect(gate.pending).toBe(1);
  });
});

describe('the refused clients of a server', () => {
  it('are cut at once if 256 others have not left yet', async () => {
    const limits = new HandshakeLimits(1, 1);
    let cuts = 0;
    const refuse = (): { gone: Promise<void>; leave: () => void } => {
      const [near, far] = memoryPair();
      const cut = (): void => {
        cuts += 1;
        near.abort();
      };
      const leave = (): void => {
        far.abort();
      };
      return { gone: limits.refuse({ transport: near, address: '', cut }), leave };
    };
    const stayed = Array.from({ length: 256 }, refuse);
    expect(cuts).toBe(0);
    await refuse().gone;
    expect(cuts).toBe(1);
    stayed[0]!.leave();
    await stayed[0]!.gone;
    const next = refuse();
    expect(cuts).toBe(1);
    for (const { leave } of [next, ...stayed]) leave();
    await Promise.all([next, ...stayed].map(({ gone }) => gone));
  });
});

/** Jobs that run until the test ends them. */
class Jobs {
  readonly queue = new DecryptQueue();
  /** The origins of the jobs that have started, in order. */
  readonly begun: string[] = [];
  readonly #finish: (() => void)[] = [];
  #finished = 0;

  add(origin: string): Promise<string> {
    return this.queue.run(
      origin,
      () =>
        new Promise<string>((resolve) => {
          this.begun.push(origin);
          this.#finish.push(() => {
            resolve(origin);
          });
        }),
    );
  }

  async finish(count: number): Promise<void> {
    for (let nth = 0; nth < count; nth += 1) {
      await until(() => this.#finish.length > this.#finished);
      expect(this.#finish.length - this.#finished).toBeLessThanOrEqual(2);
      this.#finish[this.#finished]?.();
      this.#finished += 1;
    }
  }
}

describe('the RSA decryptions of a server', () => {
  it('run two at a time, 64 more wait, and further ones reject with K4NET_BUSY', async () => {
    const jobs = new Jobs();
    const added = Array.from({ length: 66 }, () => jobs.add('a'));
    await turns(2);
    expect(jobs.begun).toHaveLength(2);
    await refused(jobs.add('a'), 'K4NET_BUSY');
    await jobs.finish(1);
    await until(() => jobs.begun.length === 3);
    added.push(jobs.add('a'));
    await refused(jobs.add('a'), 'K4NET_BUSY');
    await jobs.finish(66);
    expect(await Promise.all(added)).toHaveLength(67);
    expect(jobs.begun).toHaveLength(67);
  });

  it('take turns by origin, so that one with many does not delay the others', async () => {
    const jobs = new Jobs();
    const added = [
      ...Array.from({ length: 40 }, () => jobs.add('many')),
      jobs.add('b'),
      jobs.add('c'),
      jobs.add('b'),
    ];
    await jobs.finish(added.length);
    await Promise.all(added);
    expect(jobs.begun.slice(0, 8)).toEqual(['many', 'many', 'many', 'b', 'c', 'many', 'b', 'many']);
  });

  it('drop the newest of the origin with the most for one of another origin', async () => {
    const jobs = new Jobs();
    const ends: [number, string][] = [];
    const flood = Array.from({ length: 66 }, (_, nth) =>
      jobs.add('flood').then(
        () => ends.push([nth, 'ok']),
        (error: unknown) => ends.push([nth, (error as { code: string }).code]),
      ),
    );
    const other = [jobs.add('other'), jobs.add('other')];
    await turns(2);
    expect(ends).toEqual([
      [65, 'K4NET_BUSY'],
      [64, 'K4NET_BUSY'],
    ]);
    await refused(jobs.add('flood'), 'K4NET_BUSY');
    await jobs.finish(66);
    await Promise.all([...flood, ...other]);
    expect(jobs.begun.slice(0, 6)).toEqual(['flood', 'flood', 'flood', 'other', 'flood', 'other']);
  });

  it('are shared evenly if more origins wait than there is room for', async () => {
    const jobs = new Jobs();
    const added = Array.from({ length: 66 }, (_, nth) => jobs.add(`origin ${nth}`));
    await refused(jobs.add('one more'), 'K4NET_BUSY');
    await jobs.finish(66);
    await Promise.all(added);
  });

  it('continue after one that failed', async () => {
    const queue = new DecryptQueue();
    const reason = new Error('no');
    const fail = (): Promise<never> => Promise.reject(reason);
    const failed = [1, 2, 3, 4].map(() => reasonOf(queue.run('a', fail)));
    expect(await Promise.all(failed)).toEqual([reason, reason, reason, reason]);
    expect(await queue.run('a', () => Promise.resolve('yes'))).toBe('yes');
  });
});
