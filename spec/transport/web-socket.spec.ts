import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { toTransport } from '../../lib/transport/to-transport.js';
import type { Transport } from '../../lib/transport/transport.js';
import { WebSocketTransport } from '../../lib/transport/web-socket.js';
import { describeTransport } from '../conformance/transport-suite.js';
import { useFixture } from '../support/fixture.js';
import { concat, pattern, same } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { until } from '../support/sockets.js';
import { listening } from '../support/streams.js';
import { webSocketPair, type WebSocketPair } from '../support/web-sockets.js';

describeTransport(
  'a WebSocket',
  async () => {
    const { near, far, dispose } = await webSocketPair();
    return { near: new WebSocketTransport(near), far: new WebSocketTransport(far), dispose };
  },
  { halfClose: true, reset: true, inFlight: 256 * 1024 },
);

const fixture = useFixture();

/** Two connected sockets of `ws`, which are terminated after the test. */
async function sockets(): Promise<Pick<WebSocketPair, 'near' | 'far'>> {
  const pair = await webSocketPair();
  fixture.onCleanup(pair.dispose);
  return pair;
}

/** A transport over one end of a WebSocket with its sink, and the other end. */
async function withRawPeer(): Promise<{
  near: WebSocket;
  transport: Transport;
  sink: RecordingSink;
  raw: WebSocket;
}> {
  const { near, far } = await sockets();
  const transport = toTransport(near);
  const sink = new RecordingSink();
  transport.attach(sink);
  return { near, transport, sink, raw: far };
}

/** A server that accepts no WebSocket before `accept`. */
async function slowServer(): Promise<{ url: string; accept: () => void; refuse: () => void }> {
  const server = createServer();
  const port = await listening(server, { port: 0, host: '127.0.0.1' });
  const webSockets = new WebSocketServer({ noServer: true });
  let accept = (): void => undefined;
  let refuse = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      accept = () => {
        webSockets.handleUpgrade(request, socket, head, (each) => {
          const echo = new LockedSocket(each);
          fixture.keep(echo);
          void echo.recv().then((message) => echo.send(message));
        });
      };
      refuse = () => {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      };
      resolve();
    });
  });
  fixture.onCleanup(() => new Promise((resolve) => server.close(resolve)));
  return {
    url: `ws://127.0.0.1:${port}/`,
    accept: () =>
      void asked.then(() => {
        accept();
      }),
    refuse: () =>
      void asked.then(() => {
        refuse();
      }),
  };
}

describe('a WebSocket that is connecting', () => {
  it('sends what was written before it opened', async () => {
    const server = await slowServer();
    const sock = fixture.keep(new LockedSocket(new WebSocket(server.url)));
    const sent = sock.send('early');
    server.accept();
    await sent;
    expect(await sock.recvText()).toBe('early');
  });

  it('closes with K4NET_CONNECTION when the server refuses it', async () => {
    const server = await slowServer();
    const sock = fixture.keep(new LockedSocket(new WebSocket(server.url)));
    server.refuse();
    const { code, error } = await sock.closed;
    expect(code).toBe('K4NET_CONNECTION');
    expect(error?.message).toContain('code 1006');
    expect(String(error?.cause)).toContain('403');
  });

  it('is given up by an abort', async () => {
    const server = await slowServer();
    const transport = toTransport(new WebSocket(server.url));
    const sink = new RecordingSink();
    transport.attach(sink);
    expect(transport.write([pattern(10)])).toBe(false);
    transport.abort();
    await sink.untilClose();
    expect(sink.events).toEqual(['close']);
    server.refuse();
  });
});

describe('a WebSocket that closes', () => {
  it('reports code and reason of a close before both directions have ended, escaped', async () => {
    const { sink, raw } = await withRawPeer();
    raw.close(4123, 'gone\u001b[2J');
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_CONNECTION');
    expect(sink.cause?.message).toBe('the WebSocket closed (code 4123, "gone\\u{1b}[2J")');
  });

  it('closes the sink of a socket that was closed before', async () => {
    const { near, far } = await sockets();
    far.close();
    await once(near, 'close');
    const sink = new RecordingSink();
    toTransport(near).attach(sink);
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_CONNECTION');
  });

  it('is closed with code 1000 by the side that ended first', async () => {
    const { transport, sink, raw } = await withRawPeer();
    const closed = once(raw, 'close');
    transport.end();
    raw.send(Uint8Array.of(2));
    expect((await closed)[0]).toBe(1000);
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
  });

  it('is closed with code 1000 when the peer, which ended first, does not close it', async () => {
    const { transport, sink, raw } = await withRawPeer();
    const closed = once(raw, 'close');
    raw.send(Uint8Array.of(2));
    await sink.untilEnd();
    transport.end();
    expect((await closed)[0]).toBe(1000);
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
  });

  it('is closed with code 4000 behind a reset when this side aborts', async () => {
    const { transport, sink, raw } = await withRawPeer();
    const closed = once(raw, 'close');
    const last = once(raw, 'message');
    transport.abort();
    expect((await last)[0]).toEqual(Buffer.from([3, 0]));
    expect((await closed)[0]).toBe(4000);
    await sink.untilClose();
  });

  it('is terminated when the peer does not answer the close', async () => {
    const { near, transport, sink, raw } = await withRawPeer();
    raw.pause();
    const closed = once(near, 'close');
    transport.abort();
    await sink.untilClose();
    expect((await closed)[0]).toBe(1006);
  });
});

describe('a peer of a WebSocket that breaks the rules', () => {
  const cases: Readonly<Record<string, (raw: WebSocket) => void>> = {
    text: (raw) => {
      raw.send('a text');
    },
    'an empty message': (raw) => {
      raw.send(new Uint8Array(0));
    },
    'more data than credit': (raw) => {
      raw.send(new Uint8Array(1 + 65_537));
    },
    'an unknown kind': (raw) => {
      raw.send(Uint8Array.of(9));
    },
  };

  it.each(Object.entries(cases))('ends the connection with a reset after %s', async (_name, send) => {
    const { sink, raw } = await withRawPeer();
    const last = once(raw, 'message');
    send(raw);
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_MALFORMED');
    expect((await last)[0]).toEqual(Buffer.from([3, 1]));
  });

  it('ends the connection after a message over maxPayload', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 100 });
    fixture.onCleanup(
      () =>
        new Promise((resolve) => {
          server.close(resolve);
        }),
    );
    await once(server, 'listening');
    const raw = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const [far] = (await once(server, 'connection')) as [WebSocket];
    const sink = new RecordingSink();
    toTransport(far).attach(sink);
    await once(raw, 'open');
    raw.send(new Uint8Array(101));
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_MALFORMED');
    expect(sink.cause?.message).toContain('Max payload size exceeded');
  });

  it('cannot make the memory of this side grow by credit for data that it does not read', async () => {
    const { near, far } = await sockets();
    const transport = toTransport(near);
    const sink = new RecordingSink();
    transport.attach(sink);
    far.send(Uint8Array.of(1, 0xff, 0xff, 0xfe, 0xff));
    far.pause();
    transport.write([pattern(65_537)]);
    await sink.until(() => sink.drains === 1);
    let more = true;
    let written = 0;
    // The system takes some MiB, the socket 2 MiB, and the rest waits here.
    while (more) {
      more = transport.write([pattern(65_536)]);
      written += 65_536;
      await turns();
    }
    expect(near.bufferedAmount).toBeLessThan(3 * 1024 * 1024);
    far.resume();
    await sink.until(() => sink.drains > 1);
    expect(written).toBeGreaterThan(2 * 1024 * 1024);
  });

  it('gets its answers although it grants one byte at a time', async () => {
    const { transport, sink, raw } = await withRawPeer();
    const total = 65_536 + 500;
    const received: Buffer[] = [];
    let bytes = 0;
    raw.on('message', (message: Buffer) => {
      received.push(message.subarray(1));
      bytes += message.length - 1;
      if (bytes >= 65_536) raw.send(Uint8Array.of(1, 1, 0, 0, 0));
    });
    transport.write([pattern(total)]);
    await sink.until(() => sink.drains === 1);
    await until(() => bytes === total);
    expect(same(concat(received), pattern(total))).toBe(true);
  });
});

describe('WebSocketTransport', () => {
  it('reports the addresses of a socket of ws', async () => {
    const { near, far } = await sockets();
    const [here, there] = [toTransport(near), toTransport(far)];
    expect(here.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect([here.remoteAddress, here.localAddress]).toEqual([there.localAddress, there.remoteAddress]);
  });

  it('takes the addresses that it is given', async () => {
    const { near } = await sockets();
    const { remoteAddress } = new WebSocketTransport(near, { remoteAddress: '192.0.2.1:99' });
    expect(remoteAddress).toBe('192.0.2.1:99');
  });

  it.runIf('WebSocket' in globalThis)('carries a socket over the WebSocket of the runtime', async () => {
    const server = await slowServer();
    const sock = fixture.keep(new LockedSocket(new globalThis.WebSocket(server.url)));
    server.accept();
    await sock.send(pattern(300_000));
    expect(same(await sock.recv(), pattern(300_000))).toBe(true);
  });
});
