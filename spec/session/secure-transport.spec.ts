import { describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../lib/crypto/key-pair.js';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { ClientHandshake } from '../../lib/session/handshake/client.js';
import { SecureTransport } from '../../lib/session/secure-transport.js';
import { ServerHandshake } from '../../lib/session/handshake/server.js';
import { DuplexTransport } from '../../lib/transport/duplex.js';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Transport } from '../../lib/transport/transport.js';
import { describeTransport, type TransportPair } from '../conformance/transport-suite.js';
import { FramedTransport } from '../support/framed-transport.js';
import { RecordingSink } from '../support/recorder.js';
import { tcpPair, unixPair, type StreamPair } from '../support/streams.js';
import { MemoryEnd } from './memory-end.js';
import { sealed } from './pairs.js';
import { until } from '../support/sockets.js';

const key = await generateKeyPair({ keySize: 2048 });

const common = { succeeded: () => Promise.resolve(), timeout: 10_000 };

async function secured(
  [a, b]: readonly [Transport, Transport],
  cipher: CipherChoice,
): Promise<TransportPair> {
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
// Without a reset of the transport below, the session reports that the end is missing.
describeTransport('records over a Unix socket', () => overStreams(unixPair(), 'auto'), {
  ...onSystem,
  resetCode: 'K4NET_TRUNCATED',
});

describe('the count of received bytes of a secure transport', () => {
  it('includes the bytes of an incomplete record, which show that the peer is alive', async () => {
    const [a, b] = memoryPair();
    const client = new SecureTransport(a, {
      ...common,
      begin: () => Promise.resolve(new ClientHandshake({ serverKey: key.publicKey })),
    });
    const server = new MemoryEnd(new ServerHandshake({ key }));
    const raw = new RecordingSink();
    let sent = 0;
    const say = (bytes: Uint8Array): void => {
      sent += bytes.length;
      b.write([bytes]);
    };
    raw.onData = (chunk) => {
      void server.feed(chunk).then(() => {
        say(server.takeSent());
      });
      return true;
    };
    b.attach(raw);
    expect(client.received).toBe(0);
    const sink = new RecordingSink();
    client.attach(sink);
    client.start();
    await client.ready;
    await until(() => server.settled);
    expect(client.received).toBe(sent);
    const record = await sealed(server, 'hello');
    for (const part of [record.subarray(0, 3), record.subarray(3, 20)]) {
      say(part);
      await until(() => client.received === sent);
      expect(sink.received).toBe(0);
    }
    say(record.subarray(20));
    await sink.untilReceived(9);
    expect(client.received).toBe(sent);
    client.abort();
  });
});
