import { describe, expect, expectTypeOf, it } from 'vitest';
import { connect, type ConnectOptions } from '../../lib/net/connect.js';
import { listen, type ListenOptions } from '../../lib/net/listen.js';
import type { HandlerContext } from '../../lib/net/handlers.js';
import type { Server } from '../../lib/net/server.js';
import { EncryptedSocket, type EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { Peer } from '../../lib/sockets/peer.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';

const fixture = useFixture();

describe('the types of connect and listen', () => {
  it.each([true, undefined])('accept options of unknown kind, plain: %o', async (plain) => {
    const listening: ListenOptions = plain ? { port: 0, plain } : { port: 0, key: keys.server };
    const server = await listen(unknownKind(listening));
    const served = server.serve((sock) => sock.close());
    expectTypeOf(server).toEqualTypeOf<Server>();
    const to = server.address();
    const connecting: ConnectOptions = plain ? { ...to, plain } : { ...to, pin: keys.server.fingerprint };
    const sock = await connect(unknownKind(connecting));
    expectTypeOf(sock).toEqualTypeOf<LockedSocket>();
    expect(sock instanceof EncryptedSocket).toBe(!plain);
    await Promise.all([sock.close(), server.close(), served]);
  });

  it('return plain sockets if plain is true', () => {
    expectTypeOf(() => connect({ port: 1, plain: true })).returns.resolves.toEqualTypeOf<LockedSocket>();
    expectTypeOf(() => listen({ port: 1, plain: true })).returns.resolves.toEqualTypeOf<Server>();
  });

  it('return encrypted sockets whose peer is defined', async () => {
    const server = await listen({ port: 0, key: keys.server, clientAuth: 'required' });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const next = server[Symbol.asyncIterator]().next();
    const near = await connect({
      ...server.address(),
      pin: keys.server.fingerprint,
      clientKey: keys.ec,
    });
    fixture.keep(near);
    expectTypeOf(near).toEqualTypeOf<EstablishedSocket>();
    expectTypeOf(near.peer).toEqualTypeOf<Peer>();
    expect(near.peer.fingerprint).toBe(keys.server.fingerprint);
    const { value: far } = await next;
    expectTypeOf(far).toEqualTypeOf<EstablishedSocket | ReturnType<() => void>>();
    if (!far) throw new Error('the server has ended');
    expect(far.peer.fingerprint).toBe(keys.ec.fingerprint);
    expect(far.sessionId).toEqual(near.sessionId);
    await Promise.all([near.close(), far.close()]);
    // A closed socket still has its peer.
    expect(near.peer.fingerprint).toBe(keys.server.fingerprint);
    expect(near.sessionId.length).toBe(32);
  });

  it('pass an AbortSignal to handlers', async () => {
    const server = await listen({ port: 0, plain: true });
    const given = new Promise<HandlerContext>((resolve) => {
      void server.serve((_, context) => {
        resolve(context);
      });
    });
    const sock = await connect({ ...server.address(), plain: true });
    const { signal } = await given;
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    expect(signal).toBeInstanceOf(AbortSignal);
    await Promise.all([sock.close(), server.close()]);
  });
});

/** The same options, with the union type. */
function unknownKind<T>(options: T): T {
  return options;
}
