import { describe, expect, it } from 'vitest';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import { tcpKinds, useFixture } from '../support/fixture.js';
import { textIn } from '../support/queue.js';
import { fill, until } from '../support/sockets.js';

describe.each(tcpKinds)('trySendRegistered, %s', (kind) => {
  const fixture = useFixture(kind);

  it('sends each kind of payload and returns true', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const heard: string[] = [];
    far.registerCallback('said', (reader) => void heard.push(textIn(reader)));
    expect(near.trySendRegistered('said')).toBe(true);
    expect(near.trySendRegistered('said', 'text')).toBe(true);
    expect(near.trySendRegistered('said', Buffer.from('bytes'))).toBe(true);
    expect(
      near.trySendRegistered('said', (writer) => {
        writer.write(Buffer.from('written'));
      }),
    ).toBe(true);
    await until(() => heard.length === 4);
    expect(heard).toEqual(['', 'text', 'bytes', 'written']);
  });

  it('lets the caller reuse the bytes at once', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const heard: Uint8Array[] = [];
    far.registerCallback('bytes', (reader) => void heard.push(reader.read().slice()));
    const bytes = new Uint8Array(50_000).fill(7);
    expect(near.trySendRegistered('bytes', bytes)).toBe(true);
    bytes.fill(0);
    await until(() => heard.length > 0);
    expect(heard[0]).toEqual(new Uint8Array(50_000).fill(7));
  });

  it('sends nothing and returns false while a sender has to wait, and sends again afterwards', async () => {
    const { near, far } = await fixture.queuePair();
    near.start();
    await fill(near);
    const { bufferedAmount } = near;
    const { messagesSent } = near.stats();
    expect(near.trySendRegistered('said', 'dropped')).toBe(false);
    expect([near.bufferedAmount, near.stats().messagesSent]).toEqual([bufferedAmount, messagesSent]);

    const heard: string[] = [];
    far.registerCallback('said', (reader) => void heard.push(textIn(reader)));
    far.start();
    const drop = (): void => void far.recv().then(drop, () => undefined);
    drop();
    await until(() => near.trySendRegistered('said', 'sent'));
    await until(() => heard.length > 0);
    expect(heard).toEqual(['sent']);
  });

  it('returns false once the socket closes or has failed', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const closed = near.close();
    expect(near.trySendRegistered('said')).toBe(false);
    await closed;
    expect(near.trySendRegistered('said')).toBe(false);
    await far.closed;
    expect(far.trySendRegistered('said')).toBe(false);

    const other = await fixture.startedQueuePair();
    void other.near.abort();
    expect(other.near.trySendRegistered('said')).toBe(false);
    await other.near.closed;
  });

  it('throws for an error of the program, also if it would send nothing', async () => {
    const { near } = await fixture.startedQueuePair();
    const wrong = (queue: QueueSocket): void => {
      expect(() => queue.trySendRegistered('')).toThrow(RangeError);
      expect(() => queue.trySendRegistered('said', 5 as never)).toThrow(TypeError);
      const fails = (): never => {
        throw new SyntaxError('no');
      };
      expect(() => queue.trySendRegistered('said', fails)).toThrow(SyntaxError);
    };
    wrong(near);
    expect(near.stats().messagesSent).toBe(0);
    await near.close(undefined, { timeout: 0 });
    wrong(near);
  });
});
