// The page: paints tiles as the workers finish them, and shows what the pool does.
import { shades, tilesOf } from './mandelbrot.js';
import { messages } from './messages.js';
import { Pool } from './pool.js';
import { processors, Worker } from './runtime.js';

const byId = (id) => document.getElementById(id);
const canvas = byId('picture');
const paint = canvas.getContext('2d');
const start = { x: -0.65, y: 0, span: 3.4, depth: 1000 };

// Bundlers recognize exactly this expression.
const startWorker = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

let view = start;
let pool;
let drawing = new AbortController();
let crashes = 0;

/** Red, green and blue of each shade, so that the last one continues with the first. */
const palette = Array.from({ length: shades + 1 }, (_, shade) => {
  const wave = (middle, range, phase) => middle + range * Math.cos(2 * Math.PI * (shade / shades + phase));
  return shade === 0 ? [5, 7, 15] : [wave(125, 120, 0.47), wave(120, 100, 0.55), wave(130, 105, 0.72)];
});

const hueOf = (worker) => (worker * 137.5) % 360;

function paintTile({ column, row }, { width, height }, pixels, worker) {
  const image = paint.createImageData(width, height);
  for (const [at, shade] of pixels.entries()) image.data.set([...palette[shade], 255], 4 * at);
  paint.putImageData(image, column, row);
  if (!byId('tint').checked) return;
  paint.fillStyle = `hsl(${hueOf(worker)} 90% 55% / 35%)`;
  paint.fillRect(column, row, width, height);
}

async function draw() {
  drawing.abort(); // Workers that draw an old view are replaced.
  drawing = new AbortController();
  const { signal } = drawing;
  const scale = Math.min(devicePixelRatio, 2);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  const tiles = tilesOf(view, { width: canvas.width, height: canvas.height, tile: 64 });
  const places = new Map(tiles.map(({ argument, place }) => [argument, place]));
  byId('progress').max = tiles.length;
  const begin = performance.now();
  let done = 0;
  const show = (status) => {
    byId('progress').value = done;
    byId('tiles').textContent = `${done} / ${tiles.length}`;
    byId('time').textContent = `${Math.round(performance.now() - begin)} ms`;
    byId('status').textContent = status;
    byId('stop').disabled = status !== 'Drawing';
  };
  show('Drawing');
  try {
    // A tile whose worker has crashed is drawn again by another one.
    for await (const { value, result, worker } of pool.map('tile', places.keys(), { signal, retries: 3 })) {
      if (signal.aborted) return;
      paintTile(places.get(value), value, result, worker);
      done += 1;
      show('Drawing');
    }
    show('Done');
  } catch (error) {
    if (signal.reason === 'cancelled') show('Cancelled');
    else if (!signal.aborted) show(error.message);
  }
}

function showWorkers() {
  const rows = pool.workers.map(({ id, inFlight, done }) => {
    const [row, dot, name, load] = ['li', 'i', 'span', 'small'].map((tag) => document.createElement(tag));
    dot.style.color = `hsl(${hueOf(id)} 75% 50%)`;
    name.textContent = `Worker ${id}`;
    load.textContent = `${done} done, ${inFlight} in flight`;
    row.append(dot, name, load);
    return row;
  });
  byId('workers').replaceChildren(...rows);
}

let shown = false;
function showSoon() {
  if (shown) return;
  shown = true;
  requestAnimationFrame(() => {
    shown = false;
    showWorkers();
  });
}

function open(size) {
  drawing.abort();
  void pool?.close();
  pool = new Pool(startWorker, messages, { size });
  pool.onChange = showSoon;
  byId('size').textContent = size;
  void draw();
}

function zoom(event, factor) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const step = view.span / width;
  const x = view.x + (event.clientX - left - width / 2) * step;
  const y = view.y - (event.clientY - top - height / 2) * step;
  view = { x, y, span: view.span / factor, depth: Math.min(view.depth + 250, 10_000) };
  void draw();
}

canvas.addEventListener('click', (event) => zoom(event, 4));
canvas.addEventListener('keydown', (event) => {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  if (event.key === 'Enter') zoom({ clientX: left + width / 2, clientY: top + height / 2 }, 4);
});
byId('again').addEventListener('click', () => void draw());
byId('out').addEventListener('click', () => {
  view = start;
  void draw();
});
byId('stop').addEventListener('click', () => drawing.abort('cancelled'));
byId('crash').addEventListener('click', () => {
  pool.run('crash').catch(() => {
    crashes += 1;
    byId('crashes').textContent = crashes;
  });
});
byId('tint').addEventListener('change', () => void draw());
byId('count').addEventListener('change', ({ target }) => open(Number(target.value)));
let resized;
addEventListener('resize', () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 200);
});

byId('count').value = Math.min(processors, 8);
open(Number(byId('count').value));
