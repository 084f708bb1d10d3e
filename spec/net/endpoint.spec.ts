import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { urlEndpoint } from '../../lib/net/endpoint.js';
import { addressUrl } from '../../lib/net/address.js';
import { connect } from '../../lib/net/connect.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { reasonOf, textOf } from '../support/sockets.js';

const fixture = useFixture();

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('the URL of connect', () => {
  it.each([
    ['tcp://127.0.0.1:9000', { host: '127.0.0.1', port: 9000 }, '127.0.0.1:9000'],
    ['TCP://Example.com:9', { host: 'Example.com', port: 9 }, 'Example.com:9'],
    ['tcp://[::1]:9000', { host: '::1', port: 9000 }, '[::1]:9000'],
    [' tcp://h:80 ', { host: 'h', port: 80 }, 'h:80'],
    ['unix:/run/my.sock', { path: '/run/my.sock' }, 'unix:/run/my.sock'],
    ['unix:///run/my.sock', { path: '/run/my.sock' }, 'unix:/run/my.sock'],
    ['unix:/run/a%20b%3Fc', { path: '/run/a b?c' }, 'unix:/run/a%20b?c'],
    [String.raw`unix:\\.\pipe\k4net`, { path: String.raw`\\.\pipe\k4net` }, String.raw`unix:\\.\pipe\k4net`],
  ])('%s is an address, with the name of options in the store', (url, address, storeName) => {
    expect(urlEndpoint(url)).toEqual({ address, name: expect.any(String) as string, storeName });
  });

  it.each([
    ['ws://example.com', 'ws://example.com/', 'ws://example.com:80/'],
    ['wss://Example.com/chat', 'wss://example.com/chat', 'wss://example.com:443/chat'],
    ['wss://example.com:443/chat', 'wss://example.com/chat', 'wss://example.com:443/chat'],
    ['wss://h:8443/a/../b?token=1', 'wss://h:8443/b?token=1', 'wss://h:8443/b'],
    ['ws://[::1]:9000/ü', 'ws://[::1]:9000/%C3%BC', 'ws://[::1]:9000/%C3%BC'],
    ['wss://münchen.example/', 'wss://xn--mnchen-3ya.example/', 'wss://xn--mnchen-3ya.example:443/'],
  ])('%s is a WebSocket; its name always has the port and never the query', (given, url, name) => {
    expect(urlEndpoint(given)).toEqual({ url, name, storeName: name });
  });

  it.each([
    ['http://page.example:8080/app/', '/chat', 'ws://page.example:8080/chat'],
    ['https://page.example/app/index.html', 'chat?a=1', 'wss://page.example/app/chat?a=1'],
    ['https://page.example/', '//other.example/x', 'wss://other.example/x'],
  ])('in the page %s, %s is the WebSocket %s', (href, given, url) => {
    vi.stubGlobal('location', { href });
    expect(urlEndpoint(given).url).toBe(url);
  });

  it.each([
    ['http://h/', /'http:' is none of tcp:, unix:, ws: and wss:/],
    ['localhost:9000', /'localhost:' is none of/],
    ['/chat', /a relative URL needs a page/],
    ['', /a relative URL needs a page/],
    ['tcp://h', /needs a port/],
    ['tcp://h:0', /a port from 1 up/],
    ['tcp://h:65536', /not a valid URL/],
    ['tcp://:9', /not a valid URL/],
    ['tcp:h:9', /needs a host/],
    ['tcp://h:9/', /takes no path/],
    ['tcp://h:9/path', /takes no path/],
    ['tcp://h:9?q', /no query/],
    ['tcp://h:9#f', /fragment/],
    ['tcp://h:9#', /fragment/],
    ['tcp://%zz:9', /valid/],
    ['ws://h/p#f', /fragment/],
    ['ws://h:0/', /a port from 1 up/],
    ['ws://user@h/', /user name or password/],
    ['ws:', /not a valid URL/],
    ['unix:', /must not be empty/],
    ['unix://host/path', /no host/],
    ['unix:/a%zz', /no valid escape/],
    ['unix:/a%00b', /NUL/],
    ['unix:/a?b', /%3F/],
    [`unix:/${'a'.repeat(200)}`, /at most/],
  ])('%s is a TypeError that quotes it', (url, why) => {
    const error = wrong(url);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(why);
    expect(error.message).toContain(`"${url.replace(/\?.*/, '?***').replace(/user@/, '***@')}"`);
  });

  it('is a TypeError for a page that is no http page', () => {
    vi.stubGlobal('location', { href: 'about:srcdoc' });
    expect(wrong('/chat').message).toMatch(/not a valid URL/);
    vi.stubGlobal('location', { href: 'file:///tmp/page.html' });
    expect(wrong('/chat').message).toMatch(/not a valid URL/);
  });

  it('is quoted without its password and its query', () => {
    const { message } = wrong('wss://user:secret@h/path?token=hidden#x');
    expect(message).toContain('wss://***@h/path?***#x');
    expect(message).not.toMatch(/secret|hidden/);
  });

  it('is never anything but an endpoint or a TypeError', () => {
    const parts = fc.constantFrom(
      'tcp:',
      'unix:',
      'ws:',
      '//',
      'h',
      ':1',
      '/',
      '?',
      '#',
      '%',
      '@',
      '[',
      '\0',
      '.',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(parts).map((each) => each.join('')),
        ),
        (url) => {
          try {
            expect(urlEndpoint(url).storeName).toMatch(/^[\x21-\x7e]+$/);
          } catch (error) {
            expect(error).toBeInstanceOf(TypeError);
          }
        },
      ),
    );
  });

  it('of an address leads back to it', () => {
    const address = fc.oneof(
      fc.record({
        host: fc.constantFrom('127.0.0.1', '::1', 'example.com'),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
      fc.record({
        path: fc.string({ minLength: 1, maxLength: 20 }).map((name) => `/run/${name.replaceAll('\0', '')}`),
      }),
    );
    fc.assert(
      fc.property(address, (each) => {
        expect(urlEndpoint(addressUrl(each)).address).toEqual(each);
      }),
    );
  });
});

function wrong(url: string): TypeError {
  try {
    urlEndpoint(url);
  } catch (error) {
    return error as TypeError;
  }
  throw new Error(`no error for ${url}`);
}

describe('connect with a URL', () => {
  it.each(['TCP', 'Unix socket'] as const)('reaches the URL of a server, over a %s', async (carrier) => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const [url] = server.urls;
    const near = fixture.keep(await connect(url!, { plain: true }));
    await near.send('by URL');
    const { value: far } = await server[Symbol.asyncIterator]().next();
    expect(textOf(await far!.recv())).toBe('by URL');
  });

  it('takes a URL object, and options of an encrypted socket', async () => {
    const { server } = await fixture.echoServer();
    const url = new URL(server.urls[0]!);
    const near = fixture.keep(await connect(url, { key: keys.server.publicKey }));
    await near.send('x');
    expect(textOf(await near.recv())).toBe('x');
  });

  it.each(['port', 'host', 'path'])('is a TypeError beside the option %s', async (name) => {
    const error = await reasonOf(
      connect('tcp://h:9', { plain: true, [name]: name === 'port' ? 9 : 'h' } as never),
    );
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(`"tcp://h:9": the option '${name}'`);
  });

  it('is a TypeError without a URL and without options', async () => {
    expect(await reasonOf(connect(undefined as never))).toBeInstanceOf(TypeError);
    expect(await reasonOf(connect(null as never))).toBeInstanceOf(TypeError);
  });
});
