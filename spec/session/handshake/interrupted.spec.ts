import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Bytes, concatBytes } from '../../../lib/util/bytes.js';
import type { CipherChoice } from '../../../lib/crypto/choose-backend.js';
import { TimeoutError } from '../../../lib/errors.js';
import { ClientHandshake } from '../../../lib/session/handshake/client.js';
import { HandshakeDriver } from '../../../lib/session/handshake/driver.js';
import { ServerHandshake } from '../../../lib/session/handshake/server.js';
import { kindOfError, MemoryEnd } from '../memory-end.js';
import { keyPair } from '../vectors.js';

type Role = 'client' | 'server';

/** The operations of WebCrypto that a handshake calls. */
const operations = ['importKey', 'deriveBits', 'digest', 'sign', 'encrypt', 'decrypt', 'verify'] as const;

/** Runs a task a number of microtasks after the nth operation of WebCrypto. */
class Interruption {
  #left: number;
  readonly #hops: number;
  readonly #task: () => void;
  done = false;

  constructor(nth: number, hops: number, task: () => void) {
    this.#left = nth;
    this.#hops = hops;
    this.#task = task;
    for (const name of operations) {
      const { subtle } = globalThis.crypto;
      const original = subtle[name].bind(subtle) as (...args: unknown[]) => Promise<unknown>;
      vi.spyOn(subtle, name).mockImplementation((async (...args: unknown[]) => {
        const result = original(...args);
        await result.catch(() => undefined);
        this.#left -= 1;
        if (this.#left === 0) void this.#interrupt();
        return result;
      }) as never);
    }
  }

  async #interrupt(): Promise<void> {
    for (let hop = 0; hop < this.#hops; hop += 1) await Promise.resolve();
    this.done = true;
    this.#task();
  }
}

/**
 * A handshake in which one side fails at a given moment. Returns the error of the other side, and
 * whether the moment came.
 */
async function interrupted(
  role: Role,
  cipher: CipherChoice,
  nth: number,
  hops: number,
): Promise<{ kind: string; came: boolean }> {
  const key = await keyPair('server2048');
  const machines = {
    client: () => new ClientHandshake({ serverKey: key.publicKey, identity: identities.client, cipher }),
    server: () => new ServerHandshake({ key, clientAuth: 'wanted', cipher }),
  };
  const peer = new MemoryEnd(machines[role === 'client' ? 'server' : 'client']());
  const out: Bytes[] = [];
  const wire = { write: (units: readonly Bytes[]) => void out.push(...units), resume: () => undefined };
  const driver = new HandshakeDriver(wire);
  const told: Promise<void>[] = [];
  const moment = new Interruption(nth, hops, () => {
    driver.stop();
    told.push(driver.fail(new TimeoutError('the handshake', 1)).then(wire.write));
  });
  const run = driver.run(() => Promise.resolve(machines[role]()));
  const done = new Set<unknown>();
  void run.then(() => done.add(run));
  if (role === 'server') await peer.start();
  while (!peer.over && !(done.has(run) && peer.settled)) {
    const up = peer.takeSent();
    if (up.length > 0) driver.push(up);
    await new Promise((resolve) => setImmediate(resolve));
    const down = concatBytes(out.splice(0));
    if (down.length > 0) await peer.feed(down);
    if (told.length > 0) {
      await told[0];
      await peer.feed(concatBytes(out.splice(0)));
      break;
    }
  }
  vi.restoreAllMocks();
  await run;
  return { kind: kindOfError(peer.error), came: moment.done };
}

const identities = { client: await keyPair('clientEc') };

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(['client', 'server'] as const)('a %s that times out at any moment of the handshake', (role) => {
  it.each(['webcrypto', 'node'] as const)(
    'sends an alert that the peer can open, or nothing (%s cipher)',
    async (cipher) => {
      const kinds = new Set<string>();
      for (const hops of [0, 2, 4, 6, 9]) {
        for (let nth = 1; ; nth += 1) {
          const { kind, came } = await interrupted(role, cipher, nth, hops);
          kinds.add(kind);
          expect(['none', 'peer-alert'], `${nth} operations and ${hops} hops`).toContain(kind);
          if (!came) break;
        }
      }
      expect(kinds).toContain('peer-alert');
    },
  );
});
