import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wordsOf } from '../../docs/examples/chat/identity.js';
import { listen } from '../../lib/index.js';
import { startLossyChat } from '../examples/lossy-chat.js';
import { needDist } from '../support/dist.js';
import { ChatPage, startChatServer, type ChatServer } from './chat-page.js';
import { startChromium } from './chromium.js';

needDist();

const chromium = await startChromium();
const folder = await mkdtemp(join(tmpdir(), 'k4net-chat-'));
const KEY = join(folder, 'key');
afterAll(async () => {
  await chromium.close();
  await rm(folder, { recursive: true });
});

let server: ChatServer;
let pages: ChatPage[];
let contexts: Awaited<ReturnType<typeof chromium.newContext>>[];
beforeEach(async () => {
  [pages, contexts] = [[], []];
  server = await startChatServer({ KEY });
});
afterEach(async () => {
  const problems = pages.flatMap((page) => page.problems);
  for (const context of contexts) await context.close();
  await server.stop('SIGKILL');
  expect(problems).toEqual([]);
});

/** A page with the storage of a new browser. */
async function newPage(): Promise<ChatPage> {
  const context = await chromium.newContext();
  contexts.push(context);
  const page = new ChatPage(await context.newPage());
  pages.push(page);
  return page;
}

async function enter(name: string, room: string = ''): Promise<ChatPage> {
  const page = await newPage();
  await page.enter(`${server.url}${room}`, name);
  return page;
}

/** Starts the server again on the same port. */
async function restart(key: string = KEY): Promise<void> {
  server = await startChatServer({ KEY: key, PORT: server.port });
}

const seen = <T>(look: () => Promise<T>): ReturnType<typeof expect.poll> =>
  expect.poll(look, { timeout: 30_000 });

describe('two pages in one room', () => {
  it('see each other by name and by the words of their keys, and the same server', async () => {
    const [ada, ben] = [await enter('Ada'), await enter('Ben')];
    await seen(() => ada.all('#members bdi')).toEqual(['Ada', 'Ben']);
    expect(await ben.all('#members bdi')).toEqual(['Ada', 'Ben']);
    const words = await ada.all('#members small');
    expect(await ben.all('#members small')).toEqual(words);
    expect(new Set(words).size).toBe(2);
    for (const page of [ada, ben])
      expect(await page.text('#server small')).toBe(wordsOf(server.fingerprint).join(' '));
    await ada.tab.click('#server button');
    expect(await ada.all('#who .words span')).toEqual(wordsOf(server.fingerprint, 8));
    expect(await ada.text('#who')).toMatch(/sees this key for the first time/);
    await ada.tab.reload();
    await ada.entered();
    expect((await ada.all('#members small')).sort()).toEqual(words.sort());
    await ada.tab.click('#server button');
    expect(await ada.text('#who')).toMatch(/knew this key from an earlier visit/);
  });

  it('talk, and the author sees when the server and when all have received the message', async () => {
    const ada = await enter('Ada');
    await ada.say('Is anybody here?');
    await seen(() => ada.marks()).toEqual(['Received by the server']);
    const ben = await enter('Ben');
    await seen(() => ben.texts()).toEqual(['Is anybody here?']);
    await seen(() => ada.marks()).toEqual(['Received by all in the room']);
    await ben.say('I am');
    await seen(() => ada.texts()).toEqual(['Is anybody here?', 'I am']);
    await seen(() => ben.marks()).toEqual(['Received by all in the room']);
    expect(await ada.all('.note')).toEqual(['Ben is here']);
    await ben.tab.close();
    await seen(() => ada.all('.note')).toEqual(['Ben is here', 'Ben has left']);
    expect(await ada.all('#members bdi')).toEqual(['Ada']);
  });

  it('see who types, until the message comes', async () => {
    const [ada, ben] = [await enter('Ada'), await enter('Ben')];
    await ben.tab.locator('#text').pressSequentially('Hi');
    await seen(() => ada.text('#typing')).toMatch(/^Ben is typing/);
    await ben.tab.keyboard.press('Enter');
    await seen(() => ada.texts()).toEqual(['Hi']);
    expect(await ada.text('#typing')).toBe('');
  });

  it('show the text of each other as text: markup, lines, other directions, no spaces', async () => {
    const [ada, ben] = [await enter('<b>Ada</b>'), await enter('Ben')];
    const texts = [
      '<img src=x onerror="document.title=1"> javascript:alert(1) https://example.org',
      'one\n\ntwo',
      'صباح الخير',
      '👩‍👩‍👧‍👦🎉',
      'x'.repeat(4000),
    ];
    for (const text of texts) {
      await ada.tab.fill('#text', text);
      await ada.tab.click('#composer button');
    }
    await seen(() => ben.texts()).toEqual(texts);
    expect(await ben.all('#members bdi')).toEqual(['<b>Ada</b>', 'Ben']);
    const facts = await ben.tab.evaluate(() => {
      const scope = globalThis as unknown as {
        document: { querySelectorAll(selector: string): Iterable<Box> };
      };
      interface Box {
        readonly scrollWidth: number;
        readonly clientWidth: number;
        matches(selector: string): boolean;
      }
      const all = (selector: string): Box[] => [...scope.document.querySelectorAll(selector)];
      return {
        markup: all('.text *, .meta b').length,
        wide: all('body, main, #scroll, .text').filter((box) => box.scrollWidth > box.clientWidth).length,
        rightToLeft: all('.text').map((text) => text.matches(':dir(rtl)')),
        large: all('.text').map((text) => text.matches('.emoji')),
      };
    });
    expect(facts).toEqual({
      markup: 0,
      wide: 0,
      rightToLeft: [false, false, true, false, false],
      large: [false, false, false, true, false],
    });
  });

  it('can be in different rooms, and hear only what is said in their own', async () => {
    const [ada, ben] = [await enter('Ada'), await enter('Ben', '#garden')];
    await ben.say('in the garden');
    await ada.say('in the lobby');
    await seen(() => ada.all('#rooms a')).toEqual(['garden1', 'lobby1']);
    await ada.tab.fill('#open-room input', ' Garden ');
    await ada.tab.keyboard.press('Enter');
    await seen(() => ada.texts()).toEqual(['in the garden']);
    expect(await ada.text('#count')).toBe('you and 1 more');
    await ada.tab.goBack();
    await seen(() => ada.texts()).toEqual(['in the lobby']);
    await seen(() => ben.all('.note')).toEqual(['Ada is here', 'Ada has left']);
  });
});

describe('a page whose server restarts', () => {
  it('shows it, keeps what is typed, and sends what waits once', async () => {
    const [ada, ben] = [await enter('Ada'), await enter('Ben')];
    await ada.say('before');
    await seen(() => ada.marks()).toEqual(['Received by all in the room']);
    await server.stop('SIGKILL');
    await seen(() => ada.text('#status')).toMatch(/Offline|Connecting/);
    await seen(() => ada.text('#banner')).toMatch(/No connection[^]*Next try in \d+ s/);
    await ada.say('one');
    await ada.say('two');
    await ada.tab.fill('#text', 'half a sen');
    expect((await ada.marks()).slice(1)).toEqual(['Waits for the connection', 'Waits for the connection']);
    expect(await ada.all('#rooms .waiting')).toEqual(['2 unsent']);
    await restart();
    await seen(() => ben.texts()).toEqual(['before', 'one', 'two']);
    await seen(() => ada.marks()).toEqual(Array(3).fill('Received by all in the room'));
    expect(await ada.text('#status')).toBe('Encrypted to the server');
    expect(await ada.tab.inputValue('#text')).toBe('half a sen');
    expect(await ada.all('#rooms .waiting')).toEqual([]);

    await server.stop('SIGTERM');
    await seen(() => ben.text('#status')).toMatch(/Offline|Connecting/);
    await restart();
    await seen(() => ben.text('#status')).toBe('Encrypted to the server');
    await ben.say('last');
    await seen(() => ada.texts()).toEqual(['before', 'one', 'two', 'last']);
    expect(await ben.texts()).toEqual(['before', 'one', 'two', 'last']);
    expect(await ada.all('.note')).toEqual(['Ben is here']);
  });

  it('sends a message again whose answer was lost, and the other page shows it once', async () => {
    const [ada, ben] = [await enter('Ada'), await enter('Ben')];
    await server.stop('SIGKILL');
    const lossy = await startLossyChat(Number(server.port), KEY);
    await seen(() => Promise.resolve(lossy.names())).toEqual(['Ada', 'Ben']);
    await ada.say('only once');
    await seen(() => ben.texts()).toEqual(['only once']);
    await seen(() => ada.marks()).toEqual(['Waits for the connection']);
    await lossy.close();
    await restart();
    await seen(() => ada.marks()).toEqual(['Received by all in the room']);
    await ada.say('last');
    await seen(() => ben.texts()).toEqual(['only once', 'last']);
    expect(await ada.texts()).toEqual(['only once', 'last']);
  });

  it('keeps the draft and the unsent messages over a reload', async () => {
    const ada = await enter('Ada');
    await ada.tab.fill('#text', 'half a sen');
    await ada.tab.evaluate(() => {
      const { sessionStorage } = globalThis as unknown as {
        sessionStorage: { setItem(key: string, value: string): void };
      };
      const message = { id: 'kept', room: 'lobby', text: 'unsent', state: 'waiting' };
      sessionStorage.setItem('outbox', JSON.stringify([message]));
    });
    await ada.tab.reload();
    await seen(() => ada.marks()).toEqual(['Received by the server']);
    expect(await ada.tab.inputValue('#text')).toBe('half a sen');
    expect(await ada.texts()).toEqual(['unsent']);
  });

  it('warns if the server has another key, sends nothing to it, and trusts it only when told', async () => {
    const ada = await enter('Ada');
    const known = wordsOf(server.fingerprint, 8);
    await server.stop('SIGKILL');
    const other = await listen({
      webSocket: { port: Number(server.port), path: '/chat' },
      keyPath: join(folder, 'other'),
      keySize: 2048,
      onError: () => undefined,
    });
    const sockets: unknown[] = [];
    const served = other.serve((sock) => sockets.push(sock));
    await ada.say('only for the server that I know');
    await ada.tab.waitForSelector('#warning[open]');
    expect(await ada.all('#expected span')).toEqual(known);
    expect(await ada.all('#actual span')).toEqual(wordsOf(other.fingerprint, 8));
    await ada.tab.click('#stay');
    expect(await ada.text('#banner p')).toMatch(/another key.*Nothing is sent/);
    expect(await ada.marks()).toEqual(['Waits for the connection']);
    await other.close();
    await served;
    expect(sockets).toEqual([]);

    await restart(join(folder, 'other'));
    await ada.tab.click('#banner button');
    expect(await ada.tab.isEnabled('#trust')).toBe(false);
    await ada.tab.click('#warning input');
    await ada.tab.click('#trust');
    await seen(() => ada.marks()).toEqual(['Received by the server']);
    expect(await ada.text('#server small')).toBe(wordsOf(server.fingerprint).join(' '));
  });
});

describe('a page that carries a pin', () => {
  /** Opens the chat as if its HTML had the pin. */
  async function withPin(pin: string): Promise<ChatPage> {
    const page = await newPage();
    await page.tab.addInitScript((given) => {
      interface Meta {
        content: string;
      }
      const { document, MutationObserver } = globalThis as unknown as {
        document: { querySelector(selector: string): Meta | null };
        MutationObserver: new (look: () => void) => { observe(target: unknown, options: object): void };
      };
      new MutationObserver(() => {
        const meta = document.querySelector('meta[name=pin]');
        if (meta) meta.content = given;
      }).observe(document, { childList: true, subtree: true });
    }, pin);
    await page.tab.goto(server.url);
    return page;
  }
  it('accepts the server with that key', async () => {
    const page = await withPin(server.fingerprint);
    await seen(() => page.text('#status')).toBe('Encrypted to the server');
  });

  it('refuses a server with another key, and offers no way around', async () => {
    const page = await withPin(`sha256:${'0'.repeat(64)}`);
    await page.tab.waitForSelector('#warning[open]');
    expect(await page.tab.isVisible('#trust')).toBe(false);
    expect(await page.tab.isVisible('#stay')).toBe(true);
  });
});

describe('the layout', () => {
  it.each([1280, 760, 390, 320])('fits a window of %d pixels', async (width) => {
    const ada = await enter('A name of 24 characters.');
    await ada.tab.setViewportSize({ width, height: 640 });
    await ada.say('x'.repeat(500));
    const widest = await ada.tab.evaluate(() => {
      const { document } = globalThis as unknown as {
        document: { documentElement: { scrollWidth: number } };
      };
      return document.documentElement.scrollWidth;
    });
    expect(widest).toBeLessThanOrEqual(width);
    expect(await ada.tab.isVisible('#open-side')).toBe(width < 760);
  });

  it('has the lists in a drawer if it is narrow, which the keyboard opens and closes', async () => {
    const ada = await enter('Ada');
    await ada.tab.setViewportSize({ width: 390, height: 640 });
    await ada.tab.waitForSelector('#side', { state: 'hidden' });
    await ada.tab.focus('#open-side');
    await ada.tab.keyboard.press('Enter');
    await ada.tab.waitForSelector('#close-side:focus');
    expect(await ada.tab.isVisible('#side')).toBe(true);
    await ada.tab.keyboard.press('Escape');
    await ada.tab.waitForSelector('#open-side:focus');
    await ada.tab.waitForSelector('#side', { state: 'hidden' });
  });

  it('follows the system or the switch to light and dark', async () => {
    const ada = await enter('Ada');
    const paper = (): Promise<string> =>
      ada.tab.evaluate(() => {
        const scope = globalThis as unknown as {
          document: { body: object };
          getComputedStyle(element: object): { backgroundColor: string };
        };
        return scope.getComputedStyle(scope.document.body).backgroundColor;
      });
    await ada.tab.emulateMedia({ colorScheme: 'light' });
    const light = await paper();
    await ada.tab.emulateMedia({ colorScheme: 'dark' });
    const dark = await paper();
    expect(dark).not.toBe(light);
    await ada.tab.check('#theme [value=light]', { force: true });
    expect(await paper()).toBe(light);
    await ada.tab.emulateMedia({ colorScheme: 'light' });
    await ada.tab.check('#theme [value=dark]', { force: true });
    expect(await paper()).toBe(dark);
    await ada.tab.reload();
    expect(await paper()).toBe(dark);
  });
});

describe('the server', () => {
  it('serves the files of the page and no others', async () => {
    const status = async (path: string): Promise<number> => (await fetch(`${server.url}${path}`)).status;
    expect([await status(''), await status('chat.js'), await status('k4net/index.js')]).toEqual([
      200, 200, 200,
    ]);
    for (const path of [
      'server.js',
      '../server.js',
      '%2e%2e/server.js',
      'key.sk',
      'k4net/../server.js',
      'constructor',
    ])
      expect(await status(path)).toBe(404);
  });

  it('ends by itself on SIGTERM, also while pages are connected', async () => {
    await enter('Ada');
    expect(await server.stop('SIGTERM')).toBe(0);
  });
});
