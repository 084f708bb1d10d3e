import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GcmCipher, SyncBackend } from '../../../lib/crypto/backend.js';
import { chooseBackend } from '../../../lib/crypto/choose-backend.js';
import { generateKeyPair } from '../../../lib/crypto/key-pair.js';
import { ClientHandshake } from '../../../lib/session/handshake/client.js';
import { ServerHandshake } from '../../../lib/session/handshake/server.js';
import { createPadding } from '../../../lib/session/record/padding.js';
import {
  acquirePlace,
  type CipherHolder,
  maxPrepared,
  placesInUse,
  releasePlace,
} from '../../../lib/session/record/prepared-ciphers.js';
import { createReader, type SyncRecordReader } from '../../../lib/session/record/reader.js';
import { RecordSealer, type SealerOptions } from '../../../lib/session/record/sealer.js';
import { type Bytes, concatBytes, toHex } from '../../../lib/util/bytes.js';
import { SecureTransport } from '../../../lib/session/secure-transport.js';
import { memoryPair } from '../../../lib/transport/memory.js';
import { RecordingSink } from '../../support/recorder.js';
import { framed } from '../pairs.js';

const backend = chooseBackend('node') as SyncBackend;
const secret = (fill: number): Bytes => new Uint8Array(32).fill(fill);

/** A backend that records the key and nonce of each record that its ciphers encrypt. */
class Nonces {
  readonly used = new Set<string>();
  created = 0;
  readonly backend: SyncBackend = {
    ...backend,
    cipher: (key, nonce) => {
      this.created += 1;
      return this.#watch(backend.cipher(key, nonce), `${toHex(key)} ${toHex(nonce)}`);
    },
  };

  #watch(cipher: GcmCipher, name: string): GcmCipher {
    let begun = false;
    return {
      setAAD: (aad) => {
        expect(begun, 'a cipher encrypts one record').toBe(false);
        begun = true;
        expect(this.used.has(name), 'no nonce encrypts two records under one key').toBe(false);
        this.used.add(name);
        cipher.setAAD(aad);
      },
      update: (part) => {
        expect(begun).toBe(true);
        return cipher.update(part);
      },
      final: () => cipher.final(),
      getAuthTag: () => cipher.getAuthTag(),
    };
  }
}

/** A sender and a receiver of one direction. */
class Direction {
  readonly nonces = new Nonces();
  readonly sealer: RecordSealer;
  readonly reader: SyncRecordReader;
  readonly sent: Bytes[] = [];
  readonly received: Bytes[] = [];
  records = 0;

  constructor(fill: number, options: SealerOptions = {}) {
    this.sealer = new RecordSealer(this.nonces.backend, secret(fill), options);
    this.reader = createReader(backend, secret(fill), { maxKeyChanges: Infinity }) as SyncRecordReader;
  }

  send(message: Bytes): void {
    const data = framed(message);
    this.sent.push(data);
    this.carry(this.sealer.stream([data]));
  }

  carry(sealed: Bytes[] | Promise<Bytes[]>): void {
    const wire = concatBytes(sealed as Bytes[]);
    for (let at = 0; at < wire.length; this.records += 1) {
      at += 4 + new DataView(wire.buffer).getUint32(at, true);
    }
    this.reader.add(wire);
    for (let event = this.reader.read(); event !== undefined; event = this.reader.read()) {
      if (event instanceof Uint8Array) this.received.push(event);
    }
  }

  stop(): void {
    this.sealer.stop();
    this.reader.stop();
  }
}

const directions: Direction[] = [];

function direction(fill: number, options?: SealerOptions): Direction {
  const made = new Direction(fill, options);
  directions.push(made);
  return made;
}

afterEach(() => {
  vi.restoreAllMocks();
  for (const each of directions.splice(0)) each.stop();
  expect(placesInUse()).toBe(0);
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), size: fc.nat(1200) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('prepare' as const), size: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rekey' as const), size: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('discard' as const), size: fc.constant(0) }) },
);

describe('the nonces of sealed records', () => {
  it('are never used twice under one key, whatever is sent, prepared, rekeyed, padded or dropped', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 60 }),
        fc.constantFrom('none', 'padme', 'block:100'),
        fc.integer({ min: 2, max: 12 }),
        (steps, policy, rekeyRecords) => {
          const { nonces, ...way } = direction(1, {
            padding: createPadding(policy),
            rekeyRecords,
            limit: 500,
          });
          const made = directions.at(-1);
          for (const { do: what, size } of steps) {
            if (what === 'send') made?.send(new Uint8Array(size).fill(size));
            else if (what === 'rekey') made?.carry(way.sealer.rekey());
            else if (what === 'prepare') {
              way.sealer.prepare();
              way.reader.prepare();
            } else way.sealer.stop();
          }
          made?.carry(way.sealer.close());
          expect(nonces.used.size).toBe(made?.records);
          expect(Buffer.compare(concatBytes(way.received), concatBytes(way.sent))).toBe(0);
          made?.stop();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are never used twice under one key when rekeying comes by records and by bytes', () => {
    const way = direction(2, { rekeyRecords: 5, rekeyBytes: 1000 });
    for (let count = 0; count < 400; count += 1) {
      if (count % 17 === 0) way.carry(way.sealer.rekey());
      else way.send(new Uint8Array(1 + ((count * 37) % 600)));
      if (count % 3 > 0) way.sealer.prepare();
    }
    expect(way.nonces.used.size).toBe(400);
    expect(Buffer.compare(concatBytes(way.received), concatBytes(way.sent))).toBe(0);
  });
});

describe('a prepared cipher', () => {
  /** A direction that has sent enough records for a prepared cipher to pay. */
  function inUse(fill: number): Direction {
    const way = direction(fill);
    for (let count = 0; count < 2; count += 1) way.send(secret(count));
    return way;
  }

  it('seals the next record, which then creates no cipher', () => {
    const way = inUse(3);
    way.sealer.prepare();
    expect(way.nonces.created).toBe(3);
    way.send(secret(9));
    expect(way.nonces.created).toBe(3);
    expect(way.nonces.used.size).toBe(3);
  });

  it('is created once, however often it is asked for', () => {
    const way = inUse(3);
    for (let count = 0; count < 5; count += 1) way.sealer.prepare();
    expect(way.nonces.created).toBe(3);
    expect(placesInUse()).toBe(1);
  });

  it('is not created before a connection has sent two records, so that an idle one takes no memory', () => {
    const way = direction(4);
    way.sealer.prepare();
    way.send(secret(1));
    way.sealer.prepare();
    way.reader.prepare();
    expect([way.nonces.created, placesInUse()]).toEqual([1, 0]);
  });

  it('is dropped by a rekey and never encrypts', () => {
    const way = inUse(5);
    way.sealer.prepare();
    // The rekey itself is the record with the prepared number; its cipher is the prepared one.
    way.carry(way.sealer.rekey());
    expect([way.nonces.created, way.nonces.used.size, placesInUse()]).toEqual([3, 3, 0]);
    way.send(secret(1));
    expect([way.nonces.created, way.nonces.used.size]).toEqual([4, 4]);
  });

  it('never encrypts once it was dropped: the record with its number gets a new one', () => {
    const way = inUse(6);
    way.sealer.prepare();
    way.sealer.stop();
    expect(placesInUse()).toBe(0);
    way.send(secret(1));
    expect([way.nonces.created, way.nonces.used.size]).toEqual([4, 3]);
    expect(way.received.length).toBe(3);
  });

  it('does not follow an alert', () => {
    const way = inUse(7);
    way.carry(way.sealer.close());
    way.sealer.prepare();
    way.reader.prepare();
    expect([way.nonces.created, placesInUse()]).toEqual([3, 0]);
  });
});

describe('a connection that ends', () => {
  const key = generateKeyPair({ keySize: 2048 });
  const plan = { succeeded: () => Promise.resolve(), timeout: 10_000 };

  /** Two secure transports that exchanged enough records to prepare ciphers. */
  async function inUse(): Promise<
    Record<'client' | 'server', { end: SecureTransport; sink: RecordingSink }>
  > {
    const [near, far] = memoryPair();
    const server = await key;
    const ends = {
      client: new SecureTransport(near, {
        ...plan,
        begin: () => Promise.resolve(new ClientHandshake({ serverKey: server.publicKey })),
      }),
      server: new SecureTransport(far, {
        ...plan,
        begin: () => Promise.resolve(new ServerHandshake({ key: server })),
      }),
    };
    const sinks = { client: new RecordingSink(), server: new RecordingSink() };
    for (const role of ['client', 'server'] as const) {
      ends[role].attach(sinks[role]);
      ends[role].start();
    }
    await Promise.all([ends.client.ready, ends.server.ready]);
    for (let count = 1; count <= 4; count += 1) {
      ends.client.write([framed('ping')]);
      await sinks.server.untilReceived(8 * count);
      ends.server.write([framed('pong')]);
      await sinks.client.untilReceived(8 * count);
    }
    expect(placesInUse()).toBe(4);
    return {
      client: { end: ends.client, sink: sinks.client },
      server: { end: ends.server, sink: sinks.server },
    };
  }

  it('cleanly keeps no prepared cipher', async () => {
    const { client, server } = await inUse();
    client.end.end();
    await server.sink.untilEnd();
    server.end.end();
    await Promise.all([client.sink.untilClose(), server.sink.untilClose()]);
    expect([client.sink.cause, server.sink.cause, placesInUse()]).toEqual([undefined, undefined, 0]);
  });

  it('with an abort keeps no prepared cipher on either side', async () => {
    const { client, server } = await inUse();
    client.end.abort();
    await Promise.all([client.sink.untilClose(), server.sink.untilClose()]);
    expect(placesInUse()).toBe(0);
  });
});

describe('the places for prepared ciphers', () => {
  it('are bounded for the process: with all of them in recent use, no more is prepared', () => {
    const ways = Array.from({ length: maxPrepared + 40 }, () => direction(8));
    for (const way of ways) {
      for (let count = 0; count < 2; count += 1) way.send(secret(count));
      way.sealer.prepare();
    }
    expect(placesInUse()).toBe(maxPrepared);
    const created = ways.map(({ nonces }) => nonces.created);
    expect(created.slice(0, maxPrepared).every((count) => count === 3)).toBe(true);
    expect(created.slice(maxPrepared).every((count) => count === 2)).toBe(true);
    for (const way of ways) way.send(secret(3));
    expect(ways.every(({ nonces, received }) => nonces.used.size === 3 && received.length === 3)).toBe(true);
  });

  it('go from a direction that has prepared nothing for a while to the next one that asks', () => {
    const dropped: number[] = [];
    const holders = Array.from({ length: maxPrepared + 3 }, (_, index) => ({
      hasPlace: false,
      lastUse: 0,
      discard: () => void dropped.push(index),
    }));
    const [first, second, third] = holders;
    const [one, two, three] = holders.slice(maxPrepared);
    if (!first || !second || !third || !one || !two || !three) throw new Error('unreachable');
    let time = 1e9;
    const acquire = (holder: CipherHolder): boolean => acquirePlace(holder, () => time);
    for (const holder of holders.slice(0, maxPrepared)) expect(acquire(holder)).toBe(true);
    for (let count = 0; count < maxPrepared; count += 1) expect(acquire(one)).toBe(false);
    expect(acquire(second)).toBe(true);
    time += 1000;
    expect([one, two, three].map(acquire)).toEqual([true, false, true]);
    expect(dropped).toEqual([0, 2]);
    expect([first.hasPlace, second.hasPlace, third.hasPlace]).toEqual([false, true, false]);
    expect(placesInUse()).toBe(maxPrepared);
    for (const holder of holders) releasePlace(holder);
  });
});
