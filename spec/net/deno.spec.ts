import { afterEach, describe, expect, it, vi } from 'vitest';
import { listen } from '../../lib/net/listen.js';
import { chooseBackend } from '../../lib/crypto/choose-backend.js';
import { webBackend } from '../../lib/crypto/suite.js';
import { useFixture } from '../support/fixture.js';
import { failure } from '../support/sockets.js';

const fixture = useFixture();

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Makes this process look like Deno, and returns what the library asks of it. */
function pretendDeno(state: string): unknown[] {
  const asked: unknown[] = [];
  const request = (permission: unknown): Promise<{ state: string }> => {
    asked.push(permission);
    return Promise.resolve({ state });
  };
  vi.stubGlobal('Deno', { permissions: { request } });
  return asked;
}

describe('listen on Deno', () => {
  it.each(['denied', 'prompt'])('rejects with the flag to use when the permission is %s', async (state) => {
    const asked = pretendDeno(state);
    const error = await failure(listen({ plain: true, port: 0, host: '::1' }), 'K4NET_LISTEN');
    expect(error.message).toBe(
      'cannot listen on [::1]:0: Deno does not permit it: run with --allow-net=[::1]:0',
    );
    expect(asked).toEqual([{ name: 'net', host: '[::1]:0' }]);
  });

  it('listens with the permission, and asks for none for a path', async () => {
    const asked = pretendDeno('granted');
    await fixture.plainServer();
    expect(asked).toEqual([{ name: 'net', host: '127.0.0.1:0' }]);
    await fixture.plainServer({ path: await fixture.socketPath() });
    expect(asked).toHaveLength(1);
  });
});

describe("cipher: 'auto' on Deno", () => {
  it("is WebCrypto, which is faster there, while 'node' stays node:crypto", () => {
    expect(chooseBackend().sync).toBe(true);
    pretendDeno('granted');
    expect(chooseBackend()).toBe(webBackend);
    expect(chooseBackend('node').sync).toBe(true);
  });
});
