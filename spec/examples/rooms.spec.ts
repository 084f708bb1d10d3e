import { connect, generateKeyPair, listen, QueueSocket, type codec } from 'k4net';
import { beforeEach, describe, expect, it } from 'vitest';
import { limits, messages } from '../../docs/examples/chat/messages.js';
import { Chat } from '../../docs/examples/chat/rooms.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { until } from '../support/sockets.js';

type Entry = codec.Output<typeof messages.said.argument>['entry'];
type Member = codec.Output<typeof messages.joined>;

const fixture = useFixture();
let address: { readonly port: number; readonly pin: string };

beforeEach(async () => {
  const chat = new Chat();
  const server = await listen({
    port: 0,
    key: keys.server.toPem(),
    clientAuth: 'required',
    maxSize: limits.fromPage,
  });
  const served = server.serve((sock, context) => chat.talk(sock, context));
  fixture.onCleanup(async () => {
    await server.close({ timeout: 0 });
    await served;
  });
  address = { port: (server.address() as { port: number }).port, pin: server.fingerprint };
});

/** A page, and what the server sends to it. */
class Page {
  readonly entries: Entry[] = [];
  readonly received: string[] = [];
  readonly joined: string[] = [];
  readonly left: number[] = [];
  readonly types: number[] = [];
  readonly sizes = new Map<string, number>();
  members: readonly Member[] = [];
  you = 0;
  readonly queue: QueueSocket;
  readonly remote;

  constructor(queue: QueueSocket) {
    this.queue = queue;
    this.remote = queue.typed(messages);
    this.remote.registerCallback('said', ({ entry }) => {
      this.entries.push(entry);
    });
    this.remote.registerCallback('received', (id) => this.received.push(id));
    this.remote.registerCallback('joined', ({ name }) => this.joined.push(name));
    this.remote.registerCallback('left', (id) => this.left.push(id));
    this.remote.registerCallback('types', (id) => this.types.push(id));
    this.remote.registerCallback('rooms', (rooms) => {
      for (const { name, members } of rooms) this.sizes.set(name, members);
    });
    queue.start();
  }

  get said(): string[] {
    return this.entries.map(({ text }) => text);
  }

  async enter(name: string, room = 'lobby', page = name): Promise<void> {
    Object.assign(this, await this.remote.call('enter', { name, room, page }));
  }

  say(text: string, id: string = text): Promise<{ at: number }> {
    return this.remote.call('say', { id, text });
  }
}

async function connectPage(key?: string, maxQueuedBytes?: number): Promise<Page> {
  const clientKey = key ?? (await generateKeyPair({ type: 'p256' }));
  const sock = await connect({ ...address, clientKey });
  fixture.onCleanup(() => sock.close(undefined, { timeout: 0 }));
  return new Page(new QueueSocket(sock, { maxQueuedBytes }));
}

async function enteredPage(name: string, room?: string): Promise<Page> {
  const page = await connectPage();
  await page.enter(name, room);
  return page;
}

const refusal = (code: string): unknown =>
  expect.objectContaining({ code: 'K4NET_REMOTE', remoteCode: code });

describe('a message in a room', () => {
  it('goes to all others of the room once, and not to other rooms', async () => {
    const [ada, ben, eve] = [
      await enteredPage('Ada'),
      await enteredPage('Ben'),
      await enteredPage('Eve', 'x'),
    ];
    const { at } = await ada.say('hello');
    expect(Math.abs(at - Date.now())).toBeLessThan(60_000);
    await until(() => ada.received.length > 0);
    expect(ada.received).toEqual(['hello']);
    expect([ada.said, ben.said, eve.said]).toEqual([[], ['hello'], []]);
  });

  it('is confirmed but not sent again if its author repeats its id', async () => {
    const [ada, ben] = [await enteredPage('Ada'), await enteredPage('Ben')];
    const first = await ada.say('hello', 'id');
    expect(await ada.say('hello', 'id')).toEqual(first);
    await ben.say('the id of another author', 'id');
    await ada.say('last');
    await until(() => ben.said.includes('last'));
    expect(ben.said).toEqual(['hello', 'last']);
    await until(() => ada.said.length > 0);
    expect(ada.said).toEqual(['the id of another author']);
  });

  it('is received by all when every other member has confirmed it or left', async () => {
    const [ada, ben, mute] = [await enteredPage('Ada'), await enteredPage('Ben'), await enteredPage('Mute')];
    mute.remote.registerCallback('said', () => new Promise<void>(() => undefined));
    await ada.say('hello');
    await until(() => ben.said.length > 0);
    expect(ada.received).toEqual([]);
    await mute.queue.close(undefined, { timeout: 0 });
    await until(() => ada.received.length > 0);
    expect(ada.received).toEqual(['hello']);
  });

  it('is received by all if its author was alone and another member enters later', async () => {
    const ada = await enteredPage('Ada');
    await ada.say('one');
    await ada.say('two');
    expect(ada.received).toEqual([]);
    const ben = await enteredPage('Ben');
    expect(ben.members.map(({ name }) => name)).toEqual(['Ada', 'Ben']);
    expect(ben.said).toEqual(['one', 'two']);
    await until(() => ada.received.length === 2);
    expect([ada.received, ada.joined]).toEqual([['one', 'two'], ['Ben']]);
    const eve = await enteredPage('Eve');
    expect(eve.entries.map(({ text, all }) => [text, all])).toEqual([
      ['one', true],
      ['two', true],
    ]);
  });

  it('is refused if it is empty, too long, or for no room', async () => {
    const page = await connectPage();
    await expect(page.say('hello')).rejects.toEqual(refusal('NOT_IN'));
    await page.enter('Ada');
    await expect(page.say(' \n ')).rejects.toEqual(refusal('TOO_LONG'));
    await expect(page.say('x'.repeat(limits.text + 1), 'id')).rejects.toEqual(refusal('TOO_LONG'));
    await expect(page.say('x', 'i'.repeat(limits.id + 1))).rejects.toEqual(refusal('TOO_LONG'));
    await page.say('x'.repeat(limits.text), 'id');
  });
});

describe('a member', () => {
  it('is seen by the others when it enters, types, goes to another room and leaves', async () => {
    const [ada, ben] = [await enteredPage('Ada'), await enteredPage('Ben')];
    await ben.remote.sendRegistered('typing');
    await until(() => ada.types.length > 0);
    await ben.enter('Ben', 'another room');
    await until(() => ada.left.length > 0);
    expect(ada).toMatchObject({ joined: ['Ben'], types: [ben.you], left: [ben.you] });
    await until(() => ada.sizes.get('another-room') === 1);
    await ben.queue.close();
    await until(() => ada.sizes.get('another-room') === 0);
  });

  it('replaces its old connection when its page connects again', async () => {
    const key = (await generateKeyPair({ type: 'p256' })).toPem();
    const [ada, old, again] = [await enteredPage('Ada'), await connectPage(key), await connectPage(key)];
    await old.enter('Ben', 'lobby', 'page');
    await again.enter('Ben', 'lobby', 'page');
    expect((await old.queue.closed).code).not.toBe('K4NET_CLOSED');
    expect(again.members.map(({ id }) => id)).toEqual([ada.you, again.you]);
    expect(ada.left).toEqual([old.you]);
  });

  it('has a name without line breaks and characters that turn the text around it', async () => {
    const page = await enteredPage('  Ada\u202e\u0000\n  L. ');
    expect(page.members[0]?.name).toBe('Ada L.');
    for (const name of ['', ' \u200e\t ', 'x'.repeat(limits.name + 1)])
      await expect(page.enter(name)).rejects.toEqual(refusal('BAD_NAME'));
    expect(page.members).toHaveLength(1);
  });

  it('gets no place in a full room, and keeps its own', async () => {
    const pages = await Promise.all(Array.from({ length: limits.members }, (_, n) => enteredPage(`${n}`)));
    const page = await enteredPage('late', 'other');
    await expect(page.enter('late')).rejects.toEqual(refusal('ROOM_FULL'));
    expect(await page.say('still in the other room')).toEqual({ at: expect.any(Number) as number });
    await pages[0]!.queue.close();
    await until(() => page.sizes.get('lobby') === limits.members - 1);
    await page.enter('late');
  });
});

describe('a hostile client', () => {
  it('that does not read is dropped, and delays nobody', async () => {
    const reader = await enteredPage('Reader');
    const stuck = await connectPage(undefined, 1);
    stuck.remote.registerCallback('said', () => new Promise<void>(() => undefined));
    await stuck.enter('Stuck');
    let sent = 0;
    for (let author = 0; !reader.left.includes(stuck.you); author += 1) {
      const page = await enteredPage(`Author ${author}`);
      for (let n = 0; n < limits.burst - 2; n += 1, sent += 1)
        await page.say('x'.repeat(limits.text), `${n}`);
      expect(sent * limits.text).toBeLessThan(2 * limits.unread);
      await until(() => reader.said.length === sent);
    }
  });

  it('that sends too fast is refused, and then dropped', async () => {
    const page = await enteredPage('Fast');
    const says = Array.from({ length: limits.refusals + 50 }, (_, n) => page.say('x', `${n}`));
    const results = await Promise.allSettled(says);
    const reasons = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    expect(results.slice(0, limits.burst - 2).every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(reasons[0]).toEqual(refusal('TOO_FAST'));
    expect((await page.queue.closed).code).not.toBe('K4NET_CLOSED');
  });

  it('that types too fast is ignored', async () => {
    const [ada, ben] = [await enteredPage('Ada'), await enteredPage('Ben')];
    for (let n = 0; n < 60; n += 1) void ben.remote.sendRegistered('typing');
    await ben.enter('Ben', 'x').catch(() => undefined);
    await ben.queue.close();
    await until(() => ada.left.length > 0);
    expect(ada.types.length).toBeGreaterThan(0);
    expect(ada.types.length).toBeLessThan(60);
  });

  it.each<[what: string, send: (page: Page) => Promise<unknown>]>([
    ['a message that does not decode', ({ queue }) => queue.sendRegistered('enter', Uint8Array.of(1))],
    ['a request that does not decode', ({ queue }) => queue.call('say', Uint8Array.of(255))],
    ['a message without a name', ({ queue }) => queue.send('?')],
    ['a message over the limit', ({ queue }) => queue.send(new Uint8Array(limits.fromPage + 1))],
  ])('that sends %s is dropped', async (_, send) => {
    const [ada, page] = [await enteredPage('Ada'), await enteredPage('Hostile')];
    await send(page).catch(() => undefined);
    await page.queue.closed;
    await until(() => ada.left.length > 0);
  });
});

describe('the server', () => {
  it('keeps a bounded history of each room', async () => {
    for (let author = 0; author < 2; author += 1) {
      const page = await enteredPage(`${author}`);
      for (let n = 0; n < limits.burst - 2; n += 1) await page.say('x'.repeat(limits.text), `${n}`);
    }
    const late = await enteredPage('Late');
    expect(late.said.map(({ length }) => length)).toEqual(
      Array(limits.historySize / limits.text).fill(limits.text),
    );
    expect(late.entries.at(-1)).toMatchObject({ name: '1', id: `${limits.burst - 3}` });
  });

  it('forgets an empty room for a new one, and refuses a room if none is empty', async () => {
    const first = await enteredPage('First', 'room-0');
    await first.say('in the first room');
    const others = await Promise.all(
      Array.from({ length: limits.rooms - 1 }, (_, n) => enteredPage(`${n}`, `room-${n + 1}`)),
    );
    const page = await connectPage();
    await expect(page.enter('Late', 'one-more')).rejects.toEqual(refusal('NO_ROOM'));
    await first.queue.close();
    await until(() => others.at(-1)?.sizes.get('room-0') === 0);
    await page.enter('Late', 'one-more');
    await others[0]!.queue.close();
    await until(() => page.sizes.get('room-1') === 0);
    const back = await enteredPage('Back', 'room-0');
    expect(back.said).toEqual([]);
  });

  it('takes the names of rooms as the page writes them, and refuses others', async () => {
    const page = await enteredPage('Ada', ' Über  uns! ');
    await until(() => page.sizes.get('über-uns') === 1);
    for (const room of ['', '!?', 'x'.repeat(limits.roomName + 1)])
      await expect(page.enter('Ada', room)).rejects.toEqual(refusal('BAD_ROOM'));
  });
});
