import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { DecodeError, RemoteError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { QueueErrorInfo } from '../../lib/queue/types.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { useFixture } from '../support/fixture.js';
import { failureOf, reasonOf } from '../support/sockets.js';

const messages = {
  said: codec.struct({ who: codec.string, text: codec.optional(codec.string) }),
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int64),
  user: codec.request(
    z.object({ id: z.string().transform(Number) }),
    v.object({ name: v.pipe(v.string(), v.minLength(1)) }),
  ),
  late: codec.request(
    z.string().refine((name) => Promise.resolve(name !== 'nobody')),
    codec.nothing,
  ),
};

const fixture = useFixture();

async function queues(kind: string) {
  const [one, other] =
    kind === 'plain'
      ? memoryPair().map((end) => new LockedSocket(end))
      : await fixture.establishedPair('TCP').then(({ client, server }) => [client, server]);
  const errors: { error: unknown; info: QueueErrorInfo }[] = [];
  const near = new QueueSocket(one as LockedSocket);
  const far = new QueueSocket(other as LockedSocket, {
    onError: (error, info) => errors.push({ error, info }),
  });
  fixture.onCleanup(() => Promise.all([near.close(), far.close()]));
  near.start();
  far.start();
  return { near, far, client: near.typed(messages), server: far.typed(messages), errors };
}

describe.each(['plain', 'encrypted'])('a typed view of a queue socket, %s', (kind) => {
  test('brings messages and requests to the other side as values', async () => {
    const { far, client, server } = await queues(kind);
    const said: { who: string; text?: string | undefined }[] = [];
    server.registerCallback('said', (value, { socket, name }) => {
      expect(socket).toBe(far);
      expect(name).toBe('said');
      said.push(value);
    });
    server.registerCallback('add', ({ a, b }) => BigInt(a) + BigInt(b));
    await client.sendRegistered('said', { who: 'ann', text: 'hello' });
    await client.sendRegistered('said', { who: 'bob' });
    const sum = await client.call('add', { a: 2 ** 31 - 1, b: 2 ** 31 - 1 });
    expectTypeOf(sum).toEqualTypeOf<bigint>();
    expect(sum).toBe(2n ** 32n - 2n);
    expect(said).toEqual([{ who: 'ann', text: 'hello' }, { who: 'bob' }]);
  });

  test('takes validators of other libraries, with what they transform and what they wait for', async () => {
    const { client, server, errors } = await queues(kind);
    server.registerCallback('user', ({ id }) => {
      expectTypeOf(id).toEqualTypeOf<number>();
      return { name: id === 7 ? 'seven' : '' };
    });
    server.registerCallback('late', () => undefined);
    expect(await client.call('user', { id: '7' })).toEqual({ name: 'seven' });
    // The answer has a name without a character: the caller's side finds out.
    const wrong = await failureOf(client.call('user', { id: '8' }), DecodeError);
    expect(wrong.messageName).toBe('user');
    expect(wrong.issues).toHaveLength(1);
    await expect(client.call('late', 'somebody')).resolves.toBeUndefined();
    const refused = await failureOf(client.call('late', 'nobody'), RemoteError);
    expect(refused.remoteCode).toBe('K4NET_DECODE');
    expect(errors.map(({ info }) => info)).toEqual([{ name: 'late', kind: 'request' }]);
  });

  test('reports what does not decode, with the name and the offset, and goes on', async () => {
    const { near, client, server, errors } = await queues(kind);
    const said: unknown[] = [];
    server.registerCallback('said', (value) => said.push(value));
    server.registerCallback('add', () => 0n);
    // The length and `ann` are valid. The flag of the optional text is not.
    await near.sendRegistered('said', Uint8Array.of(3, 0, 0, 0, 97, 110, 110, 9));
    const refused = await failureOf(near.call('add', Uint8Array.of(1, 2, 3)), RemoteError);
    expect(refused.remoteCode).toBe('K4NET_DECODE');
    await client.call('add', { a: 1, b: 1 });
    expect(errors.map(({ info }) => info)).toEqual([
      { name: 'said', kind: 'message' },
      { name: 'add', kind: 'request' },
    ]);
    const [first, second] = errors.map(({ error }) => error as DecodeError);
    expect(first).toMatchObject({ code: 'K4NET_DECODE', messageName: 'said', offset: 7, path: 'text' });
    expect(second).toMatchObject({ code: 'K4NET_DECODE', messageName: 'add', offset: 0, path: 'a' });
    expect(said).toEqual([]);
  });

  test('sends nothing of a value that is wrong', async () => {
    const { near, client } = await queues(kind);
    const before = near.stats().messagesSent;
    const wrong = { a: 1, b: 2 ** 40 };
    expect(await reasonOf(client.call('add', wrong))).toBeInstanceOf(RangeError);
    expect(near.stats().messagesSent).toBe(before);
  });
});
