// Serves files to pages, in the isolation that gives them a precise clock.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
};
const headers = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  // A sandboxed frame is of another origin.
  'access-control-allow-origin': '*',
  'cache-control': 'no-store',
};
const emptyPage = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>k4net</title>';

/**
 * Starts a web server on a free port of this machine. `/` is an empty page.
 *
 * @param {Readonly<Record<string, string | ReadonlyMap<string, string | Uint8Array>>>} routes - for
 * each path that ends with a slash, a folder or files by their names.
 * @param {Readonly<Record<string, string>>} [more] - headers, in place of those with the same name.
 */
export async function startSite(routes, more = {}) {
  const server = createServer((request, response) => {
    void answer(request.url ?? '/', routes).then(({ status, type, body }) => {
      response.writeHead(status, { ...headers, 'content-type': type, ...more });
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    server,
    port,
    origin: `http://localhost:${port}`,
    /** @returns {Promise<void>} */
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(url, routes) {
  const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
  const body = path === '/' ? emptyPage : await fileOf(path, routes).catch(() => undefined);
  if (body === undefined) return { status: 404, type: 'text/plain', body: `there is no ${path}` };
  return { status: 200, type: types[extname(path)] ?? types['.html'], body };
}

async function fileOf(path, routes) {
  const route = Object.keys(routes).find((each) => path.startsWith(each));
  if (route === undefined) return undefined;
  const files = routes[route];
  const name = path.slice(route.length);
  return typeof files === 'string' ? readFile(join(files, name)) : files.get(name);
}
