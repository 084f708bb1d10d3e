import { describe, expect, it } from 'vitest';
import { K4netError, type TooLargeError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { frame, header } from '../support/frames.js';
import { turns } from '../support/recorder.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { arrived, failure, reasonOf, textOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();
/** A plain socket whose peer sends these bytes in the given chunks. */
async function receiving(
  bytes: Uint8Array | string,
  cut = Infinity,
  maxSize?: number,
): Promise<LockedSocket> {
  const { near, far } = await fixture.tcpStreams();
  const all = Buffer.from(bytes);
  for (let at = 0; at < all.length; at += cut) far.write(all.subarray(at, at + cut));
  const sock = new LockedSocket(near, maxSize === undefined ? {} : { maxSize });
  fixture.onCleanup(() => sock.close(undefined, { timeout: 0 }));
  return sock;
}

describe('a plain socket whose peer is encrypted', () => {
  it('fails with K4NET_ENCRYPTED_PEER at the answer of an encrypted server and delivers no message', async () => {
    const reports: unknown[] = [];
    const server = await listen({
      port: 0,
      host: '127.0.0.1',
      key: keys.server,
      onError: (error) => {
        reports.push(error);
      },
    });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const sock = await connect({ ...server.address(), plain: true });
    await sock.send('hello');
    const error = await failure(sock.recv(), 'K4NET_ENCRYPTED_PEER');
    expect(await sock.closed).toEqual({ code: 'K4NET_ENCRYPTED_PEER', error });
    expect(sock.stats().messagesReceived).toBe(0);
    await until(() => reports.length > 0);
    expect(reports).toMatchObject([{ code: 'K4NET_NOT_K4NET' }]);
  });

  it.each([
    { what: 'that has its key', options: { key: keys.server.publicKey } },
    { what: 'that asks for a key', options: { insecureAcceptAnyKey: true } },
  ])(
    'fails with K4NET_ENCRYPTED_PEER at the first unit of an encrypted client $what',
    async ({ options }) => {
      const { near, far } = await fixture.tcpStreams();
      const client = fixture.keep(new EncryptedSocket(far, options));
      void client.handshake();
      await failure(new LockedSocket(near).recv(), 'K4NET_ENCRYPTED_PEER');
    },
  );

  it('recognizes the first unit however its bytes are split', async () => {
    const alert = frame(Uint8Array.from([0x4b, 0x34, 0x4e, 1, 15, 0, 12, 1, 0x78]));
    for (const cut of [1, 3, 5, 9, Infinity]) {
      await failure((await receiving(alert, cut)).recv(), 'K4NET_ENCRYPTED_PEER');
    }
  });

  it('accepts similar messages, and any message behind the first', async () => {
    const unit = Uint8Array.from([0x4b, 0x34, 0x4e, 1, 15, 0, 12, 1, 0x78]);
    const near: readonly Uint8Array[] = [
      unit.subarray(0, 5),
      Uint8Array.from([0x4b, 0x34, 0x4e, 2, 15, 0]),
      Uint8Array.from([0x4b, 0x34, 0x4e, 1, 2, 0]),
      Uint8Array.from([0x4b, 0x34, 0x4e, 1, 15, 1]),
      Buffer.concat([unit, new Uint8Array(5000)]),
      Buffer.from('K4N'),
      new Uint8Array(0),
    ];
    for (const first of near) {
      const sock = await receiving(Buffer.concat([frame(first), frame(unit)]));
      expect((await sock.recv()).length).toBe(first.length);
      expect([...(await sock.recv())]).toEqual([...unit]);
    }
  });

  it('accepts the same bytes as the first message of an encrypted connection', async () => {
    const { client, server } = await fixture.establishedPair('TCP');
    const unit = Uint8Array.from([0x4b, 0x34, 0x4e, 1, 15, 0, 12, 1, 0x78]);
    await server.send(unit);
    expect([...(await client.recv())]).toEqual([...unit]);
  });
});

describe('a plain socket whose peer uses another protocol', () => {
  it.each([
    { talk: 'HTTP/1.1 400 Bad Request\r\n\r\n', says: 'text ("HTTP")' },
    { talk: 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', says: 'text ("GET ")' },
    { talk: 'SSH-2.0-OpenSSH_9.6\r\n', says: 'text ("SSH-")' },
    { talk: '220 mail.example.org ESMTP\r\n', says: 'text ("220 ")' },
    { talk: '"\\"{}', says: 'text ("\\"\\\\\\"{")' },
    { talk: '\x16\x03\x01\x02\x00\x01', says: 'TLS' },
  ])('fails with K4NET_NOT_K4NET: $says', async ({ talk, says }) => {
    for (const cut of [1, Infinity]) {
      const error = await failure((await receiving(talk, cut)).recv(), 'K4NET_NOT_K4NET');
      expect(error.message).toBe(`the peer sent ${says}, not a k4net message`);
      expect(K4netError.is(error.cause, 'K4NET_TOO_LARGE')).toBe(true);
    }
  });

  it('reports K4NET_TOO_LARGE for a length that is not text, and behind the first message', async () => {
    const noText = await receiving(header(0x7fff_0000));
    const error = (await reasonOf(noText.recv())) as TooLargeError;
    expect(error).toMatchObject({ code: 'K4NET_TOO_LARGE', size: 0x7fff_0000 });
    const later = await receiving(Buffer.concat([frame('one'), Buffer.from('HTTP/1.1')]));
    expect(textOf(await later.recv())).toBe('one');
    await failure(later.recv(), 'K4NET_TOO_LARGE');
  });

  it('accepts such a length if maxSize allows it', async () => {
    const sock = await receiving('HTTP', Infinity, 2 ** 32 - 1);
    const waiting = watch(sock.recv());
    await arrived(sock, 4);
    await turns(2);
    expect(waiting.state).toBe('pending');
    expect(sock.readyState).toBe('open');
  });
});
