import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { flags, kinds, refusals, type Frame, type Kind } from '../../lib/nats/frame.js';
import { connectNats } from '../../lib/nats/connect-nats.js';
import { listenNats, type NatsServer } from '../../lib/nats/listen-nats.js';
import { randomToken } from '../../lib/nats/subjects.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { RawPeer } from '../support/nats-raw-peer.js';
import { pattern, Random } from '../support/random.js';
import { failure, textOf, until } from '../support/sockets.js';

const pin = keys.server.fingerprint;
const window = 262_144;

describeNats('a hostile peer over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  /** A server of plain sockets, and a peer with an open session. */
  async function attacked(): Promise<{ server: NatsServer; peer: RawPeer; socket: LockedSocket }> {
    const server = await listenNats(await nats.connection(), 'plain', { plain: true });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const peer = new RawPeer(await nats.connection());
    await peer.open('k4net.plain.one');
    const { value } = await server[Symbol.asyncIterator]().next();
    return { server, peer, socket: fixture.keep(value!) };
  }

  describe('that breaks a rule', () => {
    it.each<[string, Kind, Partial<Frame>]>([
      ['sends more than its limit', kinds.frame, { at: window - 50, data: pattern(200) }],
      ['is at a place behind its limit', kinds.frame, { at: window + 1 }],
      ['has more than was sent', kinds.frame, { have: 1 }],
      ['sends an unknown bit', kinds.frame, { code: 8 }],
      ['sends an unknown kind', 9 as Kind, {}],
      ['sends data with an again', kinds.again, { data: pattern(1) }],
      ['sends a frame of 40 KiB', kinds.frame, { data: pattern(40_960) }],
    ])('and %s gets a reset', async (_what, kind, fields) => {
      const { peer, socket } = await attacked();
      peer.send(kind, fields);
      await failure(socket.recv(), 'K4NET_MALFORMED');
      await peer.untilKind(kinds.reset);
    });

    it('and sends data after its end gets a reset', async () => {
      const { peer } = await attacked();
      peer.send(kinds.frame, { code: flags.end });
      peer.send(kinds.frame, { at: 128, data: pattern(1) });
      await peer.untilKind(kinds.reset);
    });
  });

  describe('that opens sessions', () => {
    it('is refused over maxSessions, and others are served when it is gone', async () => {
      const nc = await nats.connection();
      const server = await listenNats(nc, 'small', { plain: true, maxSessions: 20 });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      const attacker = await nats.connection();
      const peers = Array.from({ length: 40 }, () => new RawPeer(attacker));
      for (const peer of peers) {
        peer.publish(`k4net.small.id.${server.id}`, peer.frame(kinds.open, { code: 1 }));
      }
      const answered = (): number => peers.filter(({ frames }) => frames.length > 0).length;
      await until(() => answered() === 40);
      expect(peers.flatMap((peer) => peer.of(kinds.accept))).toHaveLength(20);
      expect(peers.flatMap((peer) => peer.of(kinds.refuse)).map(({ code }) => code)).toEqual(
        Array.from({ length: 20 }, () => refusals.busy),
      );
      expect(server.connections).toBe(20);
      for (const peer of peers) if (peer.target !== '') peer.send(kinds.reset);
      await until(() => server.connections === 0);
      fixture.keep(await connectNats(nc, 'small', { plain: true }));
    });

    it('gets nothing published to a subject that is not the end of a session', async () => {
      const server = await listenNats(await nats.connection(), 'plain', { plain: true });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      const nc = await nats.connection();
      const seen: string[] = [];
      nc.subscribe('>', { callback: (_error, { subject }) => void seen.push(subject) });
      const peer = new RawPeer(nc);
      const open = peer.frame(kinds.open, { code: 1 });
      const token = randomToken();
      for (const reply of ['orders.new', 'k4net.plain.one', `_INBOX.${token}`, `_INBOX.${token}.short`]) {
        peer.publish('k4net.plain.one', open, reply);
      }
      await peer.open('k4net.plain.one');
      expect(seen.filter((subject) => subject === 'orders.new' || subject.startsWith('_INBOX.'))).toEqual([
        peer.subject,
      ]);
      expect(server.connections).toBe(1);
    });

    it('with another version is refused as unsupported', async () => {
      const { server } = await attacked();
      const peer = new RawPeer(await nats.connection());
      peer.publish('k4net.plain.one', peer.frame(kinds.open, { code: 2 }));
      await peer.untilKind(kinds.refuse);
      expect(peer.of(kinds.refuse)[0]!.code).toBe(refusals.unsupported);
      expect(server.connections).toBe(1);
    });

    it('twice with the same end has one session', async () => {
      const { server, peer } = await attacked();
      for (let i = 0; i < 10; i += 1) {
        peer.publish('k4net.plain.one', peer.frame(kinds.open, { code: 1 }));
      }
      const other = new RawPeer(await nats.connection());
      peer.send(kinds.frame, { code: flags.ask });
      await peer.untilKind(kinds.frame);
      await other.open('k4net.plain.one');
      await until(() => server.connections === 2);
      expect(peer.of(kinds.accept)).toHaveLength(1);
    });
  });

  describe('that accepts', () => {
    it('a session of its own choice cannot make a client pass the pin', async () => {
      const nc = await nats.connection();
      await nats.instance({ key: keys.other });
      await failure(connectNats(nc, 'orders', { pin }), 'K4NET_KEY_MISMATCH');
    });

    it('late, after another instance, gets a reset', async () => {
      const nc = await nats.connection();
      const seen: { subject: string; reply: string }[] = [];
      nc.subscribe('_INBOX.>', {
        callback: (_error, { subject, reply = '' }) => void seen.push({ subject, reply }),
      });
      await nats.echo();
      const client = await nats.client();
      await client.send('a');
      const accept = seen.find(({ reply }) => reply !== '')!;
      const peer = new RawPeer(nc);
      peer.publish(accept.subject, peer.frame(kinds.accept, { code: 1 }));
      await peer.untilKind(kinds.reset);
      expect(textOf(await client.recv())).toBe('a');
    });
  });

  describe('that injects frames', () => {
    it('can break a session, but changes no message', async () => {
      const broker = await nats.connection();
      await nats.echo();
      const random = new Random(7);
      for (let round = 0; round < 12; round += 1) {
        const frames: { subject: string; data: Uint8Array }[] = [];
        const spy = broker.subscribe('_INBOX.>', {
          callback: (_error, { subject, data }) => void frames.push({ subject, data: data.slice() }),
        });
        await broker.flush();
        const client = await nats.client();
        const sent = Array.from({ length: 30 }, (_, i) => `message ${i}`);
        const received: string[] = [];
        const receiving = (async () => {
          for await (const message of client) received.push(textOf(message));
        })().catch(() => undefined);
        for (const [i, each] of sent.entries()) {
          client.send(each).catch(() => undefined);
          await until(() => received.length > i || client.readyState === 'closed');
          const { subject, data } = random.pick(frames);
          // Replayed as it was, or changed.
          if (random.below(2) === 0 && data.length > 0)
            data[random.below(data.length)]! ^= 1 + random.below(255);
          broker.publish(subject, data);
        }
        await client.close(undefined, { timeout: 0 });
        await receiving;
        spy.unsubscribe();
        expect(received).toEqual(sent.slice(0, received.length));
      }
    });

    it('after the end of a session gets its last answer again, which may be lost, and no reset', async () => {
      const { peer, socket } = await attacked();
      const closed = socket.close();
      await until(() => peer.of(kinds.frame).some(({ code }) => code === flags.end));
      // Its end crosses the other one.
      peer.send(kinds.frame, { code: flags.end, have: 128 });
      await closed;
      const answers = (): Frame[] => peer.of(kinds.frame).filter(({ have }) => have === 128);
      await until(() => answers().length === 1);
      peer.send(kinds.frame, { code: flags.ask, at: 128, have: 128 });
      await until(() => answers().length === 2);
      expect(peer.of(kinds.reset)).toEqual([]);
    });

    it('for unknown tokens gets resets to its end, and nothing to other subjects', async () => {
      const { server } = await nats.instance();
      const nc = await nats.connection();
      const subjects: string[] = [];
      nc.subscribe('>', { callback: (_error, { subject }) => void subjects.push(subject) });
      await nc.flush();
      await nats.client({ instance: server.id });
      const hub = subjects.find((each) => /^_INBOX\.\w{11}\.\w{11}$/.test(each))!.slice(0, -12);
      const peer = new RawPeer(nc);
      subjects.length = 0;
      const unknown = `${hub}.${randomToken()}`;
      peer.publish(unknown, peer.frame(kinds.frame), 'orders.new');
      peer.publish(unknown, peer.frame(kinds.reset));
      peer.publish(unknown, new Uint8Array(3));
      peer.publish(unknown, peer.frame(kinds.frame, { data: pattern(100) }));
      await peer.untilKind(kinds.reset);
      expect(peer.frames).toHaveLength(1);
      expect(subjects).not.toContain('orders.new');
    });
  });

  describe('that sends random frames', () => {
    it('ends its own session at most; the server serves others', async () => {
      const errors: unknown[] = [];
      const onError = (error: unknown): void => void errors.push(error);
      const server = await listenNats(await nats.connection(), 'plain', { plain: true, onError });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      void server.serve(async (sock) => {
        for await (const message of sock) await sock.send(message);
      });
      const attacker = await nats.connection();
      const random = new Random(11);
      for (let round = 0; round < 30; round += 1) {
        const peer = new RawPeer(attacker);
        await peer.open('k4net.plain.one');
        for (let i = 0; i < 40; i += 1) {
          const bytes = random.bytes(random.pick([0, 5, 16, 16, 17, 100, 3_000]));
          if (random.below(2) === 0)
            bytes.set([random.pick([4, 4, 4, 6]), random.below(4), 0, 0].slice(0, bytes.length));
          if (random.below(2) === 0 && bytes.length >= 16) bytes.fill(0, 4, 12);
          peer.publish(peer.target, bytes);
        }
      }
      const client = fixture.keep(await connectNats(await nats.connection(), 'plain', { plain: true }));
      await client.send('still there');
      expect(textOf(await client.recv())).toBe('still there');
      const malformed = errors.filter((each) => K4netError.is(each, 'K4NET_MALFORMED'));
      expect(malformed.length).toBeGreaterThan(10);
    });

    it('asks for repetitions all the time gets a bounded number of bytes', async () => {
      const { peer, socket } = await attacked();
      void socket.send(pattern(100_000)).catch(() => undefined);
      await until(() => peer.frames.reduce((sum, { data }) => sum + data.length, 0) > 90_000);
      for (let i = 0; i < 2_000; i += 1) peer.send(kinds.again);
      peer.send(kinds.frame, { code: flags.ask });
      const answered = (): boolean =>
        peer.of(kinds.frame).some(({ data, code }) => data.length === 0 && code === 0);
      await until(answered);
      const bytes = peer.frames.reduce((sum, { data }) => sum + data.length, 0);
      // At most four windows and one repetition in 300 ms; the loop above takes less than a second.
      expect(bytes).toBeLessThan(20 * window);
    });
  });
});
