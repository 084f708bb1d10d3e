// Stands in for spec/support/fixture.ts where the suites run in a page or a worker.
import { generateKeyPair } from '../../../lib/crypto/key-pair.js';
import type { K4netErrorCode } from '../../../lib/errors.js';
import { EncryptedSocket } from '../../../lib/sockets/encrypted-socket.js';
import type { LockedSocketOptions } from '../../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../../lib/sockets/locked-socket.js';
import type { FixtureArguments, SocketPair } from '../../support/fixture.js';
import { carriers } from './carriers.js';
import { afterEach } from './vitest.js';

const key = await generateKeyPair({ keySize: 2048 });

class PageFixture {
  readonly #kind: string;
  readonly #cleanups: (() => unknown)[] = [];

  constructor(kind: string) {
    this.#kind = kind;
  }

  /** The error of the peer of a socket that is cut. */
  readonly cutCode: K4netErrorCode = 'K4NET_CONNECTION';

  async release(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  /** Two connected sockets of the kind of this fixture; the handshake of encrypted ones is done. */
  async socketPair(near: LockedSocketOptions = {}, far: LockedSocketOptions = {}): Promise<SocketPair> {
    const carrier = carriers.find(({ where }) => this.#kind.endsWith(where));
    if (!carrier) throw new Error(`no carrier for sockets '${this.#kind}'`);
    const ends = await carrier.open();
    if (ends.dispose) this.#cleanups.push(ends.dispose);
    const encrypted = this.#kind.startsWith('encrypted');
    const pair = {
      near: encrypted
        ? new EncryptedSocket(ends.near, { ...near, key: key.publicKey })
        : new LockedSocket(ends.near, near),
      far: encrypted
        ? new EncryptedSocket(ends.far, { ...far, isServer: true, key })
        : new LockedSocket(ends.far, far),
      cut: () => {
        ends.near.abort();
      },
    };
    for (const socket of [pair.near, pair.far]) {
      this.#cleanups.push(() => socket.close(undefined, { timeout: 0 }));
    }
    if (pair.near instanceof EncryptedSocket && pair.far instanceof EncryptedSocket) {
      await Promise.all([pair.near.handshake(), pair.far.handshake()]);
    }
    return pair;
  }
}

export function useFixture(...[kind = 'plain in memory']: FixtureArguments): PageFixture {
  const fixture = new PageFixture(kind);
  afterEach(() => fixture.release());
  return fixture;
}
