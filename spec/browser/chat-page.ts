// Starts the server of docs/examples/chat, and does in a page of it what a person does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../docs/examples/chat/server.js', import.meta.url));

export interface ChatServer {
  readonly url: string;
  readonly port: string;
  readonly fingerprint: string;
  /** Resolves with the exit code; null if a signal ended it. */
  stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** Starts the server, and waits until it has printed its address and its key. */
export async function startChatServer(environment: Readonly<Record<string, string>>): Promise<ChatServer> {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let [url, fingerprint] = ['', ''];
  for await (const line of createInterface(child.stdout)) {
    url ||= /http:\S+/.exec(line)?.[0] ?? '';
    fingerprint ||= /sha256:\S+/.exec(line)?.[0] ?? '';
    if (fingerprint !== '') break;
  }
  return {
    url,
    port: new URL(url).port,
    fingerprint,
    async stop(signal) {
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

/** The part of Playwright's pages that the tests use: the types must not need its package. */
export interface Tab {
  readonly keyboard: { press(key: string): Promise<void> };
  on(event: 'pageerror', listener: (error: unknown) => void): void;
  on(event: 'console', listener: (line: { type(): string; text(): string }) => void): void;
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  goBack(): Promise<unknown>;
  close(): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  check(selector: string, options: { readonly force: boolean }): Promise<void>;
  focus(selector: string): Promise<void>;
  inputValue(selector: string): Promise<string>;
  isEnabled(selector: string): Promise<boolean>;
  isVisible(selector: string): Promise<boolean>;
  innerText(selector: string): Promise<string>;
  waitForSelector(selector: string, options?: { readonly state: 'hidden' }): Promise<unknown>;
  locator(selector: string): {
    allTextContents(): Promise<string[]>;
    pressSequentially(text: string): Promise<void>;
  };
  evaluate<R>(task: () => R): Promise<R>;
  emulateMedia(media: { readonly colorScheme: 'light' | 'dark' }): Promise<void>;
  setViewportSize(size: { readonly width: number; readonly height: number }): Promise<void>;
  addInitScript<V>(task: (value: V) => void, value: V): Promise<void>;
}

/** A page of the chat. */
export class ChatPage {
  readonly tab: Tab;
  /** Errors, and warnings and errors on the console, without those of failed connections. */
  readonly problems: string[] = [];

  constructor(page: unknown) {
    this.tab = page as Tab;
    this.tab.on('pageerror', (error) => this.problems.push(String(error)));
    this.tab.on('console', (line) => {
      if (!['warning', 'error'].includes(line.type())) return;
      if (!line.text().startsWith('WebSocket connection to')) this.problems.push(line.text());
    });
  }

  /** Opens the chat and enters with a name. */
  async enter(url: string, name: string): Promise<void> {
    await this.tab.goto(url);
    await this.tab.fill('#join [name=name]', name);
    await this.tab.keyboard.press('Enter');
    await this.entered();
  }

  /** Waits until the server has confirmed the room. */
  async entered(): Promise<void> {
    await this.tab.waitForSelector('#members em');
  }

  async say(text: string): Promise<void> {
    await this.tab.fill('#text', text);
    await this.tab.keyboard.press('Enter');
  }

  /** The text of each element. */
  all(selector: string): Promise<string[]> {
    return this.tab.locator(selector).allTextContents();
  }

  /** The text of an element as it is shown. */
  async text(selector: string): Promise<string> {
    return (await this.tab.innerText(selector)).trim();
  }

  /** The messages in the room. */
  texts(): Promise<string[]> {
    return this.all('.text');
  }

  /** How far each own message has come. */
  marks(): Promise<string[]> {
    return this.all('.mark');
  }
}
