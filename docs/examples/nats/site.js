// Serves the page. A bundler puts the NATS client, k4net and the modules here into one file.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * An HTTP server with the page at `/`; undefined without the bundler.
 *
 * @param service - for the page: `servers`, the WebSocket of NATS, and `pin`, the key of the
 *   service. Here the page is as trustworthy as this server; elsewhere serve it over HTTPS.
 */
export async function site(service) {
  const script = await bundle();
  if (script === undefined) return undefined;
  const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
  const files = new Map([
    ['/', ['text/html; charset=utf-8', file('index.html')]],
    ['/style.css', ['text/css', file('style.css')]],
    ['/page.js', ['text/javascript', script]],
    ['/service.json', ['application/json', JSON.stringify(service)]],
  ]);
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${service.servers}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return createServer((request, response) => {
    const [type, body] = files.get(request.url.split('?')[0]) ?? ['text/plain', 'not found\n'];
    response.writeHead(type === 'text/plain' ? 404 : 200, {
      'Content-Security-Policy': policy,
      'Content-Type': type,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    });
    response.end(body);
  });
}

/** The page's script; undefined if esbuild is not installed. */
async function bundle() {
  const esbuild = await import('esbuild').catch(() => undefined);
  if (esbuild === undefined) return undefined;
  // The part of the NATS client that runs in pages, of the same version as the one for Node.
  const core = createRequire(import.meta.resolve('@nats-io/transport-node')).resolve('@nats-io/nats-core');
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(new URL('page.js', import.meta.url))],
    alias: { '@nats-io/nats-core': core },
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    bundle: true,
    minify: true,
    write: false,
  });
  return outputFiles[0].text;
}
