import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { creditMessage, CreditState, endMessage, kinds, resetMessage } from '../../lib/transport/credit.js';
import { CreditTransport } from '../../lib/transport/credit-transport.js';
import { MemoryCarrier, RawEnd } from '../support/memory-carrier.js';
import { RecordingSink, turns } from '../support/recorder.js';
import { until } from '../support/sockets.js';

type Message = string | { readonly prefix: string; readonly hex: string; readonly times: number };

interface Vectors {
  readonly messages: readonly {
    readonly name: string;
    readonly bytes: string;
    readonly kind: keyof typeof kinds;
    readonly data?: string;
    readonly credit?: number;
    readonly code?: number;
  }[];
  readonly negative: readonly { readonly name: string; readonly messages: readonly Message[] }[];
  readonly orderly: readonly {
    readonly name: string;
    readonly messages: readonly Message[];
    readonly delivered: string;
    readonly ended: boolean;
  }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/credit-1.json', import.meta.url), 'utf8'),
) as Vectors;

const hexOf = (message: Message): string =>
  typeof message === 'string' ? message : message.prefix + message.hex.repeat(message.times);
const bytesOf = (message: Message): Uint8Array => new Uint8Array(Buffer.from(hexOf(message), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A transport without a sink, and a peer that can send any messages. */
function withRawPeer(): { transport: CreditTransport; sink: RecordingSink; peer: RawEnd } {
  const [near, far] = MemoryCarrier.pair();
  return { transport: new CreditTransport(near), sink: new RecordingSink(), peer: new RawEnd(far) };
}

describe('the vectors of the credit layer', () => {
  it.each(vectors.messages)('reads and writes $name', ({ bytes, kind, data, credit, code }) => {
    const state = new CreditState();
    const before = state.credit;
    expect(state.receive(bytesOf(bytes))).toBe(kinds[kind]);
    expect(state.credit - before).toBe(credit ?? 0);
    expect(state.resetCode).toBe(code);
    expect(state.receiving).toBe(kind === 'end' ? 'heard' : 'open');
    const written = {
      data: () => `00${data}`,
      credit: () => toHex(creditMessage(credit ?? 0)),
      end: () => toHex(endMessage()),
      reset: () => toHex(resetMessage(code ?? 0)),
    };
    expect(written[kind]()).toBe(bytes);
  });

  it.each(vectors.negative)('refuses $name', ({ messages }) => {
    const state = new CreditState();
    for (const message of messages.slice(0, -1)) state.receive(bytesOf(message));
    expect(() => state.receive(bytesOf(messages.at(-1) ?? ''))).toThrow(
      expect.objectContaining({ code: 'K4NET_MALFORMED' }),
    );
  });

  it.each(vectors.negative)('ends the connection after $name', async ({ messages }) => {
    const { transport, sink, peer } = withRawPeer();
    for (const message of messages) peer.send(hexOf(message));
    await until(() => peer.isGone);
    expect(peer.messages).toEqual(['0301']);
    transport.attach(sink);
    await sink.untilClose();
    expect(sink.cause?.code).toBe('K4NET_MALFORMED');
    expect(sink.events).toEqual(['close']);
  });

  it.each(vectors.orderly)('accepts $name', async ({ messages, delivered, ended }) => {
    const { sink, peer, transport } = withRawPeer();
    transport.attach(sink);
    for (const message of messages) peer.send(hexOf(message));
    await sink.until(() => sink.ends === Number(ended) && sink.received * 2 === delivered.length);
    expect(toHex(sink.bytes)).toBe(delivered);
    transport.write([bytesOf('61')]);
    transport.end();
    await until(() => peer.messages.includes('02'));
    expect(peer.messages).toContain('0061');
    if (!ended) peer.send('02');
    peer.close();
    await sink.untilClose();
    expect(sink.cause).toBeUndefined();
  });
});

describe('CreditState: grants', () => {
  /** Receives and takes that much data in the first credit, and returns the grants. */
  function grantsAfter(state: CreditState, bytes: number, keepsUp: boolean): number {
    let granted = 0;
    for (let left = bytes; left > 0; left -= 4096) {
      state.receive(new Uint8Array(1 + Math.min(left, 4096)));
      state.take(Math.min(left, 4096));
      granted += state.grant(keepsUp);
    }
    return granted;
  }

  it('makes no grant before the sink has taken a quarter of the window', () => {
    const state = new CreditState();
    state.receive(new Uint8Array(1 + 16_383));
    state.take(16_383);
    expect(state.grant(true)).toBe(0);
    state.receive(new Uint8Array(1 + 1));
    state.take(1);
    expect(state.grant(false)).toBe(16_384);
  });

  it('returns only what was taken when the sink falls behind', () => {
    const state = new CreditState();
    expect(grantsAfter(state, 10 * 65_536, false)).toBe(10 * 65_536);
  });

  it('doubles the window with each grant until it is 1 MiB', () => {
    const state = new CreditState();
    const windows: number[] = [];
    let window = 65_536;
    for (let i = 0; i < 10; i += 1) {
      const taken = window / 4;
      for (let left = taken; left > 0; left -= 4096) state.receive(new Uint8Array(1 + 4096));
      state.take(taken);
      window += state.grant(true) - taken;
      windows.push(window / 1024);
    }
    expect(windows).toEqual([128, 256, 512, 1024, 1024, 1024, 1024, 1024, 1024, 1024]);
  });

  it('makes no grant after the end of the peer', () => {
    const state = new CreditState();
    state.receive(new Uint8Array(1 + 65_536));
    state.receive(endMessage());
    state.take(65_536);
    expect(state.grant(true)).toBe(0);
  });
});

describe('CreditTransport: a hostile peer', () => {
  it('joins messages of one byte, so that they cost no more memory than their bytes', async () => {
    const { transport, sink, peer } = withRawPeer();
    for (let i = 0; i < 65_536; i += 1) peer.send('0061');
    await turns(3);
    transport.attach(sink);
    await sink.untilReceived(65_536);
    expect(sink.chunks.length).toBeLessThan(10);
  });

  it('sends no more than the first credit to a peer that grants none', async () => {
    const { transport, sink, peer } = withRawPeer();
    transport.attach(sink);
    let received = 0;
    peer.onMessage = (bytes) => (received += bytes.length - 1);
    expect(transport.write([new Uint8Array(1_000_000)])).toBe(false);
    await turns(20);
    expect(received).toBe(65_536);
    transport.abort();
    await sink.untilClose();
    expect(sink.drains).toBe(0);
  });

  it('takes a flood of grants without an answer', async () => {
    const { transport, sink, peer } = withRawPeer();
    transport.attach(sink);
    for (let i = 0; i < 20_000; i += 1) peer.send('0101000000');
    transport.write([new Uint8Array(65_536 + 20_000)]);
    await sink.until(() => sink.drains === 1);
    expect(sink.closes).toBe(0);
  });

  it('answers a flood of grants of one byte with few messages', async () => {
    const { transport, sink, peer } = withRawPeer();
    transport.attach(sink);
    transport.write([new Uint8Array(65_536 + 20_000)]);
    await until(() => peer.messages.length === 1);
    for (let i = 0; i < 20_000; i += 1) peer.send('0101000000');
    await sink.until(() => sink.drains === 1);
    await until(() => peer.messages.map((each) => each.length / 2 - 1).reduce((a, b) => a + b) === 85_536);
    expect(peer.messages.length).toBeLessThan(10);
  });

  it('uses credit of one byte when no more comes', async () => {
    const { transport, sink, peer } = withRawPeer();
    transport.attach(sink);
    transport.write([new Uint8Array(65_540)]);
    await until(() => peer.messages.length === 1);
    peer.send('0101000000');
    await until(() => peer.messages.length === 2);
    expect(peer.messages[1]).toBe('0000');
  });

  it('ignores everything that follows a reset or the close of both directions', async () => {
    const { transport, sink, peer } = withRawPeer();
    transport.attach(sink);
    for (const each of ['0061', '0300', '0062', '04']) peer.send(each);
    await sink.untilClose();
    await turns(5);
    expect(sink.cause?.code).toBe('K4NET_CONNECTION');
    expect(sink.events).toEqual(['data', 'close']);
    expect(peer.messages).toEqual([]);
  });

  it('cannot make the sink of a failed connection wait for a carrier that stays open', async () => {
    const [near, far] = MemoryCarrier.pair();
    far.deaf = true;
    const transport = new CreditTransport(near);
    const sink = new RecordingSink();
    transport.attach(sink);
    transport.abort();
    await sink.untilClose();
    expect(near.closed).toBe('cut');
    await until(() => near.closed === 'terminated');
  });

  it('sends nothing while the carrier is full, and goes on when it is not', async () => {
    const [near, far] = MemoryCarrier.pair();
    const transport = new CreditTransport(near);
    const sink = new RecordingSink();
    transport.attach(sink);
    const peer = new RawEnd(far);
    near.waiting = 2 * 1024 * 1024;
    const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
    const before = timers();
    expect(transport.write([bytesOf('61')])).toBe(false);
    transport.end();
    await turns(5);
    expect(peer.messages).toEqual([]);
    // The carrier keeps the process alive, not the timer.
    expect(timers()).toBe(before);
    near.waiting = 0;
    await until(() => peer.messages.length === 2);
    expect(peer.messages).toEqual(['0061', '02']);
    transport.abort();
  });
});
