import { generateKeyPair } from '../../lib/crypto/keys.js';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { ClientHandshake } from '../../lib/session/client-handshake.js';
import { SecureTransport } from '../../lib/session/secure-transport.js';
import { ServerHandshake } from '../../lib/session/server-handshake.js';
import { DuplexTransport } from '../../lib/transport/duplex.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { describeTransport, type TransportPair } from '../conformance/transport-suite.js';
import { FramedTransport } from '../support/framed-transport.js';
import { tcpPair, unixPair, type StreamPair } from '../support/streams.js';

const key = await generateKeyPair();

async function secured(
  [a, b]: readonly [Transport, Transport],
  cipher: CipherChoice,
): Promise<TransportPair> {
  const common = { succeeded: () => Promise.resolve(), timeout: 10_000 };
  const client = new SecureTransport(a, {
    ...common,
    begin: () => Promise.resolve(new ClientHandshake({ serverKey: key.publicKey, cipher })),
  });
  const server = new SecureTransport(b, {
    ...common,
    begin: () => Promise.resolve(new ServerHandshake({ key, cipher })),
  });
  client.start();
  server.start();
  await Promise.all([client.ready, server.ready]);
  return { near: new FramedTransport(client), far: new FramedTransport(server) };
}

async function overStreams(pair: Promise<StreamPair>, cipher: CipherChoice): Promise<TransportPair> {
  const { near, far, dispose } = await pair;
  return { ...(await secured([new DuplexTransport(near), new DuplexTransport(far)], cipher)), dispose };
}

const abilities = { halfClose: true, reset: true };
const inMemory = { ...abilities, inFlight: 2 * 1024 * 1024 };
const onSystem = { ...abilities, inFlight: 32 * 1024 * 1024 };

describeTransport('records in memory', () => secured(memoryPair(), 'node'), inMemory);
describeTransport('records in memory, WebCrypto', () => secured(memoryPair(), 'webcrypto'), inMemory);
describeTransport('records over TCP', () => overStreams(tcpPair(), 'node'), onSystem);
describeTransport('records over TCP, WebCrypto', () => overStreams(tcpPair(), 'webcrypto'), onSystem);
// Where the carrier has no reset, the session sees that its end is missing.
describeTransport('records over a Unix socket', () => overStreams(unixPair(), 'auto'), {
  ...onSystem,
  resetCode: 'K4NET_TRUNCATED',
});
