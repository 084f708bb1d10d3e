import { generateKeyPair } from '../../lib/crypto/key-pair.js';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import type { DuplexLike } from '../../lib/transport/duplex.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { describeSocket } from '../conformance/socket-suite.js';
import { tcpPair } from '../support/streams.js';

const key = await generateKeyPair({ keySize: 2048 });

async function pair(
  [a, b]: readonly [DuplexLike | Transport, DuplexLike | Transport],
  near: LockedSocketOptions | undefined,
  far: LockedSocketOptions | undefined,
  cipher: CipherChoice,
): Promise<{ near: EncryptedSocket; far: EncryptedSocket }> {
  const client = new EncryptedSocket(a, { ...near, key: key.publicKey, cipher });
  const server = new EncryptedSocket(b, { ...far, isServer: true, key, cipher });
  await Promise.all([client.handshake(), server.handshake()]);
  return { near: client, far: server };
}

for (const cipher of ['node', 'webcrypto'] as const) {
  describeSocket(`EncryptedSocket (${cipher}) in memory`, async (near, far) => {
    const [a, b] = memoryPair();
    return {
      ...(await pair([a, b], near, far, cipher)),
      cut: () => {
        a.abort();
      },
    };
  });

  describeSocket(`EncryptedSocket (${cipher}) over TCP`, async (near, far) => {
    const streams = await tcpPair();
    return {
      ...(await pair([streams.near, streams.far], near, far, cipher)),
      cut: () => {
        streams.near.resetAndDestroy();
      },
      dispose: streams.dispose,
    };
  });
}
