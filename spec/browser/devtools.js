// Starts Chromium and speaks its debugging protocol. Playwright keeps every page visible, so a
// hidden tab needs this.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { findChromium } from './chromium.js';

/** Starts Chromium with a new profile. */
export async function startDevtools() {
  const chromium = findChromium();
  if (chromium === undefined) throw new Error('no Chromium: install it or set CHROMIUM');
  const profile = await mkdtemp(join(tmpdir(), 'k4net-chromium-'));
  const args = ['--headless=new', '--no-sandbox', '--no-first-run', '--remote-debugging-port=0'];
  const child = spawn(chromium, [...args, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  const socket = new WebSocket(await addressOf(child));
  await once(socket, 'open');

  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  const calls = new Map();
  socket.on('message', (data) => {
    const { id, result, error } = JSON.parse(String(data));
    if (error) calls.get(id)?.reject(new Error(error.message));
    else calls.get(id)?.resolve(result);
    calls.delete(id);
  });

  /** @type {(method: string, params?: object, sessionId?: string) => Promise<any>} */
  const send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = (send.last = (send.last ?? 0) + 1);
      calls.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });

  return {
    /** Opens a tab in front of the others, which hides them. */
    openTab: async (url) => {
      const { targetId } = await send('Target.createTarget', { url });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      const inTab = (method, params) => send(method, params, sessionId);
      /** The value of an expression, when its promise is settled. */
      const evaluate = async (expression) => {
        const { result, exceptionDetails } = await inTab('Runtime.evaluate', {
          expression,
          awaitPromise: true,
          returnByValue: true,
        });
        if (exceptionDetails)
          throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      };
      return {
        send: inTab,
        evaluate,
        /**
         * Waits until an expression is true. It may fail before: the tab can be about to load its
         * page.
         */
        until: async (expression) => {
          while (!(await evaluate(expression).catch(() => false)))
            await new Promise((resolve) => setTimeout(resolve, 10));
        },
        show: () => send('Target.activateTarget', { targetId }),
      };
    },
    close: async () => {
      await send('Browser.close');
      await exited;
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** Chromium prints the address of its debugging protocol. */
function addressOf(child) {
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      printed += text;
      const address = /ws:\/\/\S+/.exec(printed)?.[0];
      if (address) resolve(address);
    });
    child.once('exit', () => reject(new Error(`Chromium ended: ${printed}`)));
  });
}
