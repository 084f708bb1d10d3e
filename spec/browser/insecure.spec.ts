import { afterAll, describe, expect, it } from 'vitest';
import { libraryRoutes, libraryScript, type LibraryScope } from './built.js';
import { openPlace, places, startChromium } from './chromium.js';
import { startSite } from './site.js';

// Any name but localhost makes a page over http one that is not a secure context.
const chromium = await startChromium(['--host-resolver-rules=MAP insecure.test 127.0.0.1']);
const site = await startSite(libraryRoutes);
afterAll(async () => {
  await chromium.close();
  await site.close();
});

describe.each(places)('in a %s that is not a secure context', (place) => {
  it.each(['client', 'server'])('the handshake of a %s fails at once, and nothing is sent', async (role) => {
    const context = await chromium.newContext();
    const origin = `http://insecure.test:${site.port}`;
    const { evaluate } = await openPlace(context, origin, libraryScript, place);
    const outcome = await evaluate(async (side) => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const [near, far] = k4net.memoryPair();
      let received = 0;
      far.attach({
        data: ({ length }) => ((received += length), true),
        drain: () => undefined,
        end: () => undefined,
        close: () => undefined,
      });
      const socket = new k4net.EncryptedSocket(
        near,
        side === 'server' ? { isServer: true } : { insecureAcceptAnyKey: true },
      );
      const error = (await socket.handshake().catch((thrown: unknown) => thrown)) as Error & { code: string };
      await socket.close();
      return { code: error.code, message: error.message, received };
    }, role);
    expect(outcome.code).toBe('K4NET_UNSUPPORTED');
    expect(outcome.message).toMatch(/https or from localhost/);
    expect(outcome.received).toBe(0);
  });

  it('connect rejects at once, and opens no WebSocket', async () => {
    let opened = 0;
    site.server.on('upgrade', (_request, socket) => {
      opened += 1;
      socket.destroy();
    });
    const context = await chromium.newContext();
    const origin = `http://insecure.test:${site.port}`;
    const { evaluate } = await openPlace(context, origin, libraryScript, place);
    const error = await evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const thrown: unknown = await k4net.connect('/').catch((reason: unknown) => reason);
      const { code, message } = thrown as Error & { readonly code: string };
      return { code, message };
    });
    expect(error.code).toBe('K4NET_UNSUPPORTED');
    expect(error.message).toMatch(/https or from localhost/);
    expect(opened).toBe(0);
  });

  it('plain sockets work', async () => {
    const context = await chromium.newContext();
    const origin = `http://insecure.test:${site.port}`;
    const { evaluate } = await openPlace(context, origin, libraryScript, place);
    const text = await evaluate(async () => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const [near, far] = k4net.memoryPair();
      const [one, two] = [new k4net.LockedSocket(near), new k4net.LockedSocket(far)];
      await one.send('hello');
      const received = await two.recvText();
      await Promise.all([one.close(), two.close()]);
      return received;
    });
    expect(text).toBe('hello');
  });
});
