import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { importPublicKey } from '../../../lib/crypto/public-key.js';
import { K4netError, KeyMismatchError, TimeoutError } from '../../../lib/errors.js';
import { ClientHandshake } from '../../../lib/session/handshake/client.js';
import { ServerHandshake } from '../../../lib/session/handshake/server.js';
import { MemoryEnd, kindOfError, splitUnits } from '../memory-end.js';
import { sessionPair, exchange, handshakePair, sealed } from '../pairs.js';
import { hex, keyPair, toHex, vectors } from '../vectors.js';
import { turns } from '../../support/recorder.js';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('a handshake', () => {
  it('gives both sides the same session id and exports, and carries data in both directions', async () => {
    const { client, server } = await sessionPair({ serverKey: (await keyPair('server2048')).publicKey });
    expect(toHex(client.session!.id)).toBe(toHex(server.session!.id));
    const [up, down] = await Promise.all([
      client.session!.export('a label', hex('00ff'), 100),
      server.session!.export('a label', hex('00ff'), 100),
    ]);
    expect(toHex(up)).toBe(toHex(down));
    expect(up.length).toBe(100);
    await server.feed(await sealed(client, 'up', ''));
    await client.feed(await sealed(server, 'down'));
    expect(server.messages.map(text)).toEqual(['up', '']);
    expect(client.messages.map(text)).toEqual(['down']);
  });

  it.each(['node', 'webcrypto'] as const)(
    'works between a server with the %s cipher and a client with the default one',
    async (cipher) => {
      const { client, server } = await sessionPair({ cipher: 'auto' }, { cipher });
      await server.feed(await sealed(client, 'one'));
      expect(server.messages.map(text)).toEqual(['one']);
    },
  );

  it('gives another session id each time', async () => {
    const ids = new Set<string>();
    for (let count = 0; count < 5; count += 1) ids.add(toHex((await sessionPair()).client.session!.id));
    expect(ids.size).toBe(5);
  });

  it('accepts a server key that has one of several pinned fingerprints, and refuses any other', async () => {
    const pin = (await keyPair('server2048')).fingerprint;
    const other = (await keyPair('server3072')).fingerprint;
    const good = await sessionPair({ pin: [other, pin.toUpperCase().replace('SHA256', 'sha256')] });
    expect(good.client.session!.facts.serverKey.fingerprint).toBe(pin);
    const bad = await handshakePair({ pin: other });
    await bad.client.start();
    await exchange(bad);
    expect(bad.client.error).toBeInstanceOf(KeyMismatchError);
    expect(bad.client.error).toMatchObject({ expected: other, actual: pin });
    await bad.server.eof();
    expect(kindOfError(bad.server.error)).toBe('peer-closed');
  });

  it('refuses a given server key without a pinned fingerprint before it sends anything', async () => {
    const serverKey = (await keyPair('server2048')).publicKey;
    const pin = (await keyPair('server3072')).fingerprint;
    expect(() => new ClientHandshake({ serverKey, pin })).toThrow(KeyMismatchError);
  });

  it('shows the key of the client only to a server that it knew before', async () => {
    const identity = await keyPair('clientEc');
    const { fingerprint, publicKey } = await keyPair('server2048');
    const shown = async (options: object): Promise<string | undefined> => {
      const { server } = await sessionPair({ identity, ...options }, { clientAuth: 'wanted' });
      return server.session!.facts.clientKey?.fingerprint;
    };
    expect(await shown({ serverKey: publicKey })).toBe(identity.fingerprint);
    expect(await shown({ pin: fingerprint })).toBe(identity.fingerprint);
    expect(await shown({})).toBeUndefined();
    expect(await shown({ identifyToUnknownServer: true })).toBe(identity.fingerprint);
  });

  it('accepts or refuses a client as authorize decides', async () => {
    const serverKey = (await keyPair('server2048')).publicKey;
    const identity = await keyPair('clientRsa2048');
    for (const answer of [true, false]) {
      const claims: unknown[] = [];
      const authorize = (claim: { clientKey: { fingerprint: string }; serverName: string | undefined }) => {
        claims.push([claim.clientKey.fingerprint, claim.serverName]);
        return Promise.resolve(answer);
      };
      const pair = await handshakePair(
        { serverKey, identity, serverName: 'the.host' },
        { clientAuth: 'required', authorize },
      );
      await pair.client.start();
      await exchange(pair);
      expect(claims).toEqual([[identity.fingerprint, 'the.host']]);
      expect(pair.client.settled).toBe(answer);
      if (answer) continue;
      expect(kindOfError(pair.server.error)).toBe('client-key-refused');
      expect(pair.client.error).toMatchObject({ code: 'K4NET_PEER_ALERT', alert: 9, authenticated: true });
    }
  });

  it('refuses the client when authorize fails', async () => {
    const serverKey = (await keyPair('server2048')).publicKey;
    const authorize = () => Promise.reject(new Error('no database'));
    const pair = await handshakePair(
      { serverKey, identity: await keyPair('clientEc') },
      { clientAuth: 'wanted', authorize },
    );
    await pair.client.start();
    await exchange(pair);
    expect(kindOfError(pair.server.error)).toBe('client-key-refused');
    expect(pair.client.error).toMatchObject({ alert: 9, text: 'client-key-refused' });
  });

  it('refuses the client when authorize returns undefined, and refuses an empty list of pins', async () => {
    const serverKey = (await keyPair('server2048')).publicKey;
    const silent = () => undefined as never;
    const server = await handshakePair(
      { serverKey, identity: await keyPair('clientEc') },
      { clientAuth: 'wanted', authorize: silent },
    );
    await server.client.start();
    await exchange(server);
    expect(kindOfError(server.server.error)).toBe('client-key-refused');
    expect(() => new ClientHandshake({ pin: [] })).toThrow(TypeError);
  });

  it('gives a server the choice of its key by server name and by key id', async () => {
    const pairs = new Map([
      ['a', await keyPair('server2048')],
      ['b', await keyPair('server3072')],
    ]);
    const key = (name: string | undefined) => pairs.get(name ?? '');
    const asked = await sessionPair({ serverName: 'b' }, { key });
    expect(asked.client.session!.facts.serverKey.fingerprint).toBe(pairs.get('b')!.fingerprint);
    const wrong = await handshakePair({ serverName: 'a', serverKey: pairs.get('b')!.publicKey }, { key });
    await wrong.client.start();
    await exchange(wrong);
    expect(kindOfError(wrong.server.error)).toBe('unknown-server-key');
    expect(wrong.client.error).toMatchObject({ alert: 6, authenticated: false });
  });

  it('ends with busy when the decryption queue refuses', async () => {
    const scheduleDecryption = () => Promise.reject(new K4netError('K4NET_BUSY', 'too many'));
    const pair = await handshakePair({}, { scheduleDecryption });
    await pair.client.start();
    await exchange(pair);
    expect(kindOfError(pair.server.error)).toBe('busy');
    expect(pair.client.error).toMatchObject({ alert: 10 });
  });

  it('sends no unit of a step that finishes after the handshake has failed', async () => {
    let answer: ((value: boolean) => void) | undefined;
    const authorize = () =>
      new Promise<boolean>((resolve) => {
        answer = resolve;
      });
    const machine = new ServerHandshake({
      key: await keyPair('server2048'),
      clientAuth: 'wanted',
      authorize,
    });
    const server = new MemoryEnd(machine);
    const identity = await keyPair('clientEc');
    const client = new MemoryEnd(
      new ClientHandshake({ identity, serverKey: (await keyPair('server2048')).publicKey }),
    );
    await client.start();
    await server.feed(client.takeSent());
    await client.feed(server.takeSent());
    const pending = server.feed(client.takeSent());
    while (!answer) await turns();
    await machine.fail(new TimeoutError('the handshake', 10));
    const told = machine.take();
    answer(true);
    await pending;
    expect(server.session).toBeUndefined();
    expect(server.sent).toEqual([]);
    for (const part of told) await client.feed(part);
    expect(client.error).toMatchObject({ alert: 11, authenticated: true });
  });

  it('sends the alert for a timeout in the clear before ServerHello', async () => {
    const machine = new ServerHandshake({ key: await keyPair('server2048') });
    await machine.fail(new TimeoutError('the handshake', 10));
    const [alert] = splitUnits(machine.take()[0]!);
    expect(toHex(alert!)).toBe(`4b344e010f000b07${Buffer.from('timeout').toString('hex')}`);
  });

  it('puts the kind of an error into its alert and not its message, and sends nothing after an alert', async () => {
    const { client, server } = await sessionPair();
    const secret = new K4netError('K4NET_INTERNAL', 'the password is 1234');
    for (const part of await server.session!.sealer.fail(secret)) await client.feed(part);
    expect(client.error).toMatchObject({ alert: 13, text: 'internal' });
    const application = new K4netError('K4NET_APPLICATION', 'unused');
    for (const part of await client.session!.sealer.fail(application)) await server.feed(part);
    expect(server.error).toMatchObject({ alert: 14, app: 0, text: 'application' });
    expect(await client.session!.sealer.fail(application)).toEqual([]);
    expect(() => client.session!.sealer.stream([])).toThrow(K4netError);
  });

  it('refuses invalid options', async () => {
    const key = await keyPair('server2048');
    const serverKey = await importPublicKey(hex(vectors.keys['clientEc']!.spki));
    expect(() => new ClientHandshake({ serverKey })).toThrow(TypeError);
    expect(() => new ClientHandshake({ serverName: 'a b' })).toThrow(TypeError);
    expect(() => new ClientHandshake({ pin: 'sha256:12' })).toThrow(TypeError);
    expect(() => new ClientHandshake({ recordLimit: 100 })).toThrow(RangeError);
    expect(() => new ClientHandshake({ padding: 'block:0' })).toThrow(TypeError);
    expect(() => new ClientHandshake({ appProtocols: [''] })).toThrow(TypeError);
    expect(() => new ClientHandshake({ appProtocols: Array<string>(9).fill('x'.repeat(200)) })).toThrow(
      RangeError,
    );
    expect(() => new ServerHandshake({ key, clientAuth: 'maybe' as never })).toThrow(TypeError);
    const { client } = await sessionPair();
    await expect(client.session!.export('', hex(''), 1)).rejects.toThrow(TypeError);
    await expect(client.session!.export('x', hex(''), 0)).rejects.toThrow(RangeError);
    expect(() => client.session!.open()).toThrow(K4netError);
  });

  it('shows no secret when it is printed', async () => {
    const { client, server } = await sessionPair({ identity: await keyPair('clientEc') });
    const printed = inspect([client, server], { depth: 20, showHidden: true, maxArrayLength: 1000 });
    expect(printed).not.toMatch(/secret|master|traffic|[^a-z]iv:|gcm|pkcs8/i);
  });
});
