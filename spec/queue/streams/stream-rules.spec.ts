import { describe, expect, it } from 'vitest';
import { encodeCancel } from '../../../lib/queue/envelope.js';
import { streamHead, openingHead } from '../../../lib/queue/stream-open.js';
import { streamType } from '../../../lib/queue/streams/messages.js';
import type { QueueSocket } from '../../../lib/queue/queue-socket.js';
import type { QueueSocketOptions } from '../../../lib/queue/queue-socket-options.js';
import type { LockedSocket } from '../../../lib/sockets/locked-socket.js';
import { noBytes, u32Bytes } from '../../../lib/util/bytes.js';
import { useFixture } from '../../support/fixture.js';
import {
  bytesOf,
  decodeControl,
  encodeAnswer,
  ErrorLog,
  hex,
  joined,
  recvControl,
} from '../../support/queue.js';
import { reasonOf, until, watch } from '../../support/sockets.js';
import { turns } from '../../support/recorder.js';
import type { MalformedError } from '../../../lib/errors.js';

const fixture = useFixture('plain in memory');

const open = (
  id: number,
  name: string,
  flags: number,
  window: number = 1024,
  payload = noBytes,
): Uint8Array => joined(openingHead(id, name, { flags, window }), payload);
const item = (type: number, id: number, size: number = 0): Uint8Array =>
  joined(streamHead(type, id), new Uint8Array(size));
const credit = (type: number, id: number, bytes: number): Uint8Array =>
  joined(streamHead(type, id), u32Bytes(bytes));
const { answerItem, answerCredit, bodyItem, bodyEnd, bodyCredit, bodyStop } = streamType;

interface Setup {
  readonly queue: QueueSocket;
  /** The peer, which sends any bytes. */
  readonly peer: LockedSocket;
  readonly log: ErrorLog;
  /** Why messages were malformed so far. */
  readonly why: () => string[];
}

/** A queue socket whose peer is a plain socket. */
async function withPeer(options: QueueSocketOptions = {}): Promise<Setup> {
  const log = new ErrorLog();
  const { queue, peer } = await fixture.queueWithPeer({ onError: log.onError, ...options });
  queue.start();
  const why = (): string[] => {
    const controls = log.entries.filter(({ info }) => info.kind === 'control');
    return controls.map(({ error }) => (error as MalformedError).message.split(':')[0]!);
  };
  return { queue, peer, log, why };
}

it('the messages have the bytes of the protocol page', async () => {
  const { queue, peer } = await withPeer({ streamWindow: 4096 });
  const rows = queue.stream('rows', 'p', { body: ['b'] });
  expect(await peer.recv()).toEqual(hex('004b5106 01000000 03 00100000 726f7773 00 70'));
  await peer.send(hex('004b510b 01000000 00040000'));
  expect(await peer.recv()).toEqual(hex('004b5107 01000000 62'));
  expect(await peer.recv()).toEqual(hex('004b5108 01000000'));
  for (let n = 0; n < 3; n += 1)
    await peer.send(joined(streamHead(answerItem, 1), new Uint8Array(1000).fill(n)));
  for (let n = 0; n < 3; n += 1) expect((await rows.next()).value).toMatchObject({ remaining: 1000 });
  expect(await peer.recv()).toEqual(hex('004b5109 01000000 50080000'));
  await peer.send(hex('004b5102 01000000'));
  expect((await rows.next()).done).toBe(true);
});

describe('an item for the answer', () => {
  it('without credit fails its stream alone, and is reported', async () => {
    const { queue, peer, why } = await withPeer({ streamWindow: 1024 });
    const rows = queue.stream('rows');
    await peer.recv();
    await peer.send(item(answerItem, 1, 960));
    await peer.send(item(answerItem, 1));
    await until(() => why().length === 1);
    expect(why()).toEqual(['an item has no credit']);
    expect(await reasonOf(rows.next())).toMatchObject({ code: 'K4NET_MALFORMED' });
    expect(await reasonOf(rows.answer)).toMatchObject({ code: 'K4NET_MALFORMED' });
    expect(await recvControl(peer)).toEqual({ type: 'cancel', id: 1 });
    // Late items of a cancelled stream are dropped silently.
    for (let n = 0; n < 100; n += 1) await peer.send(item(answerItem, 1, 500));
    const other = queue.call('add');
    await peer.recv();
    await peer.send(encodeAnswer(2, bytesOf('ok')));
    expect((await other).remaining).toBe(2);
    expect(why().length).toBe(1);
    expect(queue.readyState).toBe('open');
  });

  it('for an unknown id, after the reply, or for a plain call is malformed', async () => {
    const { queue, peer, why } = await withPeer();
    const plain = watch(queue.call('add'));
    const rows = queue.stream('rows');
    const upload = queue.call('put', '', { body: [] });
    for (let n = 0; n < 3; n += 1) await peer.recv();
    await peer.send(item(answerItem, 9));
    await peer.send(item(answerItem, 1));
    await peer.send(encodeAnswer(2, noBytes));
    await peer.send(item(answerItem, 2));
    await peer.send(item(answerItem, 3));
    await until(() => why().length === 4);
    const unknown = 'an item of an unknown stream';
    expect(why()).toEqual([unknown, unknown, unknown, 'an item answers a call that takes no items']);
    expect(await reasonOf(upload)).toMatchObject({ code: 'K4NET_MALFORMED' });
    expect((await rows.next()).done).toBe(true);
    expect(plain.state).toBe('pending');
  });
});

describe('an item of a body', () => {
  it('without credit fails the body alone: the loop of the callback throws', async () => {
    const { queue, peer, why } = await withPeer({ streamWindow: 1024 });
    const reasons: unknown[] = [];
    queue.registerCallback('put', async (_, { body }) => {
      try {
        for await (const piece of body) if (piece.remaining === 1) await turns(3);
      } catch (error) {
        reasons.push(error);
        return 'failed';
      }
      return 'read';
    });
    await peer.send(open(1, 'put', 1));
    expect(await peer.recv()).toEqual(credit(bodyCredit, 1, 1024));
    await peer.send(item(bodyItem, 1, 1));
    for (let n = 0; n < 16; n += 1) await peer.send(item(bodyItem, 1));
    await until(() => reasons.length === 1);
    expect(reasons).toMatchObject([{ code: 'K4NET_MALFORMED' }]);
    expect(why()).toEqual(['an item has no credit']);
    expect(await peer.recv()).toEqual(item(bodyStop, 1));
    expect(await recvControl(peer)).toMatchObject({ type: 'answer', id: 1 });
    for (let n = 0; n < 100; n += 1) await peer.send(item(bodyItem, 1));
    await peer.send(item(bodyEnd, 1));
    await until(() => queue.stats().streams === 0);
    expect(why().length).toBe(1);
  });

  it('before the callback reads has no credit', async () => {
    const { queue, peer, why } = await withPeer();
    queue.registerCallback('put', () => new Promise(() => undefined));
    await peer.send(open(1, 'put', 1));
    await peer.send(item(bodyItem, 1));
    await until(() => why().length === 1);
    expect(why()).toEqual(['an item has no credit']);
  });

  it('for an unknown id, after the end, or after a cancel is malformed, and so is a second end', async () => {
    const { queue, peer, why } = await withPeer();
    queue.registerCallback('put', () => new Promise(() => undefined));
    await peer.send(item(bodyItem, 7));
    await peer.send(item(bodyEnd, 7));
    await peer.send(open(1, 'put', 1));
    await peer.send(item(bodyEnd, 1));
    await peer.send(item(bodyEnd, 1));
    await peer.send(item(bodyItem, 1));
    await peer.send(open(2, 'put', 2));
    await peer.send(item(bodyItem, 2));
    await until(() => why().length === 5);
    expect(why()).toEqual([
      'an item of an unknown body',
      'the end of an unknown body',
      'a body ends twice',
      'an item follows the end of its body',
      'an item follows the end of its body',
    ]);
  });
});

it('a cancel that crosses with the reply ends the body, so that the call leaves nothing', async () => {
  const { queue, peer, why } = await withPeer();
  queue.registerCallback('put', async (_, { body }) => {
    await body.next();
    return 'enough';
  });
  await peer.send(open(1, 'put', 1));
  await peer.recv();
  await peer.send(item(bodyItem, 1));
  expect(await recvControl(peer)).toMatchObject({ type: 'answer', id: 1 });
  expect(queue.stats().streams).toBe(1);
  await peer.send(encodeCancel(1));
  await until(() => queue.stats().streams === 0);
  expect(why()).toEqual([]);
});

it('a cancel drops the items that wait, and the loop over them throws although the body has ended', async () => {
  const { queue, peer } = await withPeer();
  const reasons: unknown[] = [];
  queue.registerCallback('put', async (_, { body, signal }) => {
    await body.next();
    await until(() => signal.aborted);
    reasons.push(await reasonOf(body.next()));
  });
  await peer.send(open(1, 'put', 1));
  await peer.recv();
  for (let n = 0; n < 3; n += 1) await peer.send(item(bodyItem, 1));
  await peer.send(item(bodyEnd, 1));
  await peer.send(encodeCancel(1));
  await until(() => reasons.length === 1);
  expect(reasons).toMatchObject([{ code: 'K4NET_CLOSED' }]);
});

describe('credit', () => {
  it('over the window of an answer fails the stream: the generator returns', async () => {
    const { queue, peer, why, log } = await withPeer();
    let returned = 0;
    queue.registerCallback('rows', async function* () {
      try {
        for (;;) yield await Promise.resolve(new Uint8Array(448));
      } finally {
        returned += 1;
      }
    });
    await peer.send(open(1, 'rows', 2, 1024));
    for (let n = 0; n < 2; n += 1) expect(await peer.recv()).toEqual(item(answerItem, 1, 448));
    await peer.send(credit(answerCredit, 1, 1025));
    expect(await recvControl(peer)).toMatchObject({ type: 'failure', id: 1, code: 'K4NET_MALFORMED' });
    expect([why(), returned]).toEqual([['credit exceeds the window'], 1]);
    expect(log.kinds).toContain('request rows');
  });

  it('over the window of a body fails the call, and the source returns', async () => {
    const { queue, peer, why } = await withPeer();
    let returned = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(new Uint8Array(448));
      } finally {
        returned += 1;
      }
    }
    const call = reasonOf(queue.call('put', '', { body: body() }));
    await peer.recv();
    await peer.send(credit(bodyCredit, 1, 1024));
    for (let n = 0; n < 2; n += 1) await peer.recv();
    await peer.send(credit(bodyCredit, 1, 1025));
    expect(await call).toMatchObject({ code: 'K4NET_MALFORMED' });
    await until(() => returned === 1);
    expect(why()).toEqual(['credit exceeds the window']);
    expect(await recvControl(peer)).toEqual({ type: 'cancel', id: 1 });
  });

  it('for a call without a body, or of a wrong length, is malformed; for an unknown id it has no effect', async () => {
    const { queue, peer, why } = await withPeer();
    const rows = queue.stream('rows');
    await peer.recv();
    await peer.send(credit(bodyCredit, 9, 2048));
    await peer.send(credit(answerCredit, 9, 2048));
    await peer.send(item(bodyStop, 9));
    await peer.send(item(answerCredit, 9, 3));
    await peer.send(item(bodyStop, 9, 1));
    await peer.send(item(bodyEnd, 9, 1));
    await peer.send(credit(bodyCredit, 1, 2048));
    expect(await reasonOf(rows.next())).toMatchObject({ code: 'K4NET_MALFORMED' });
    expect(why()).toEqual([
      'a credit must have 4 bytes',
      'the stop of a body must have no content',
      'the end of a body must have no content',
      'credit for a call without a body',
    ]);
  });
});

describe('an open', () => {
  it('without a name, cut short, or with an id in use is malformed', async () => {
    const { queue, peer, why } = await withPeer();
    queue.registerCallback('rows', () => new Promise(() => undefined));
    await peer.send(open(1, 'rows', 2));
    await peer.send(open(1, 'rows', 2));
    await peer.send(open(2, '', 2));
    await peer.send(open(2, 'rows', 2).subarray(0, 12));
    await peer.send(hex('004b5106 02'));
    await peer.send(hex('004b510d 02000000'));
    await until(() => why().length === 5);
    expect(why().slice(0, 3)).toEqual([
      'a request has the id of an unanswered request',
      'an open has no name',
      'an open has no name',
    ]);
    expect(queue.stats().streams).toBe(1);
  });

  it('over maxStreams fails with K4NET_BUSY at both sides, and a stream that ends makes room', async () => {
    const { queue, peer, log } = await withPeer({ maxStreams: 2 });
    queue.registerCallback('rows', () => new Promise(() => undefined));
    for (let id = 1; id <= 3; id += 1) await peer.send(open(id, 'rows', 3));
    expect(await recvControl(peer)).toMatchObject({ type: 'failure', id: 3, code: 'K4NET_BUSY' });
    const streams = [queue.stream('a'), queue.stream('b'), queue.stream('c')];
    expect(await reasonOf(streams[2]!.answer)).toMatchObject({ code: 'K4NET_BUSY' });
    expect(await reasonOf(streams[2]!.next())).toMatchObject({ code: 'K4NET_BUSY' });
    for (let n = 0; n < 2; n += 1) await peer.recv();
    await peer.send(encodeAnswer(1, noBytes));
    await streams[0]!.answer;
    void queue.stream('d');
    expect(decodeControl(await peer.recv())).toBeDefined();
    expect(log.kinds).toEqual([]);
  });
});
