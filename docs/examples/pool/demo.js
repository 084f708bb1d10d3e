// The pool in Node: draws a picture as text, measures what each worker adds, and serves the page.
//
//     node demo.js              at a free port
//     PORT=8080 node demo.js
import { once } from 'node:events';
import { drawTile, tilesOf } from './mandelbrot.js';
import { messages } from './messages.js';
import { Pool } from './pool.js';
import { processors, Worker } from './runtime.js';
import { site } from './site.js';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;

const startWorker = () => new Worker(new URL('worker.js', import.meta.url), { type: 'module' });

async function printPicture() {
  const size = { width: 78, height: 52, tile: 13 };
  const picture = Array.from({ length: size.height }, () => []);
  const pool = new Pool(startWorker, messages);
  const tiles = tilesOf({ x: -0.65, y: 0, span: 3.1, depth: 1000 }, size);
  const place = new Map(tiles.map((tile) => [tile.argument, tile.place]));
  for await (const { value, result } of pool.map('tile', place.keys())) {
    const { column, row } = place.get(value);
    for (const [at, shade] of result.entries())
      picture[row + Math.floor(at / value.width)][column + (at % value.width)] = shade;
  }
  await pool.close();
  // A character is about twice as high as wide.
  const characters = ' .:-=+*#%';
  const draw = (shade) => (shade === 0 ? '@' : characters[Math.floor((shade / 256) * characters.length)]);
  for (let row = 0; row < size.height; row += 2) console.log(picture[row].map(draw).join(''));
}

async function measure() {
  const tiles = tilesOf(
    { x: -0.7436, y: 0.1318, span: 0.01, depth: 4000 },
    { width: 960, height: 640, tile: 64 },
  );
  const values = tiles.map(({ argument }) => argument);
  const begin = performance.now();
  for (const value of values) drawTile(value);
  const alone = performance.now() - begin;
  console.log(`\n${tiles.length} tiles of 64 x 64 pixels`);
  console.log(`  without a worker  ${alone.toFixed(0).padStart(6)} ms`);
  for (let size = 1; size <= processors; size *= 2) {
    const pool = new Pool(startWorker, messages, { size });
    // Starts the workers, which takes longer than a task.
    await Promise.all(values.slice(0, 2 * size).map((value) => pool.run('tile', value)));
    const start = performance.now();
    await Promise.all(values.map((value) => pool.run('tile', value)));
    const time = performance.now() - start;
    await pool.close();
    const name = `${size} worker${size === 1 ? '' : 's'}`.padEnd(17);
    console.log(`  ${name} ${time.toFixed(0).padStart(6)} ms  ${(alone / time).toFixed(2)} times as fast`);
  }
}

async function crash() {
  const pool = new Pool(startWorker, messages, { size: 1 });
  const value = tilesOf({ x: 0, y: 0, span: 3, depth: 100 }, { width: 32, height: 32, tile: 32 })[0].argument;
  const failed = pool.run('crash').catch((error) => error.message);
  const drawn = pool.run('tile', value).then((result) => `${result.length} pixels by the next worker`);
  console.log(`\na crash: ${await failed}; ${await drawn}`);
  await pool.close();
}

await printPicture();
await measure();
await crash();

const server = site();
server.listen(Number(PORT), HOST);
await once(server, 'listening');
console.log(`\nthe same in a page: http://${HOST}:${server.address().port}/ (Ctrl-C stops the server)`);

// npm passes a Ctrl-C on, so it may come twice.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    server.close();
    server.closeAllConnections();
  });
