// Serves the page and its modules.
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const types = { html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript' };
const headers = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

/** An HTTP server with the page at `/`. */
export function site() {
  /** The files of the page, by the path of their URL. No other file can be requested. */
  const files = new Map();
  const add = (path, url) => {
    const type = types[url.pathname.split('.').at(-1)];
    if (type) files.set(path, { type, body: withAddresses(readFileSync(url, 'utf8')) });
  };
  add('/', new URL('index.html', import.meta.url));
  for (const name of ['mandelbrot', 'messages', 'page', 'pool', 'runtime', 'work', 'worker'])
    add(`/${name}.js`, new URL(`${name}.js`, import.meta.url));
  add('/style.css', new URL('style.css', import.meta.url));
  const library = new URL('.', import.meta.resolve('k4net/web'));
  for (const name of readdirSync(library)) add(`/k4net/${name}`, new URL(name, library));
  return createServer((request, response) => {
    const file = files.get(request.url.split('?')[0]);
    response.writeHead(file ? 200 : 404, { ...headers, 'Content-Type': file?.type ?? 'text/plain' });
    response.end(file?.body ?? 'not found\n');
  });
}

/**
 * Import maps do not apply to workers, so imports get the address of the library, as by a bundler.
 */
export function withAddresses(text) {
  return text.replaceAll("from 'k4net'", "from '/k4net/index.js'");
}
