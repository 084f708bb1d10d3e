// The job: the Mandelbrot set. It is pure computation, and knows neither pool nor worker.

/** Shades from 1 to this one repeat outwards. 0 is the inside of the set. */
export const shades = 255;

/**
 * The shades of one tile, line by line.
 *
 * @param tile - `left` and `top` in the plane, `step` between pixels, `width` and `height` in
 * pixels, and `depth`: the number of iterations after which a point counts as inside.
 */
export function drawTile({ left, top, step, width, height, depth }) {
  const pixels = new Uint8Array(width * height);
  for (let row = 0, at = 0; row < height; row += 1)
    for (let column = 0; column < width; column += 1, at += 1)
      pixels[at] = shade(left + column * step, top - row * step, depth);
  return pixels;
}

function shade(cx, cy, depth) {
  let [x, y, xx, yy] = [0, 0, 0, 0];
  let count = 0;
  for (; count < depth && xx + yy < 256; count += 1) {
    y = 2 * x * y + cy;
    x = xx - yy + cx;
    xx = x * x;
    yy = y * y;
  }
  if (count === depth) return 0;
  // The fraction makes the bands smooth.
  const smooth = count + 1 - Math.log2(Math.log2(xx + yy) / 2);
  return 1 + (Math.floor(Math.sqrt(Math.max(smooth, 0)) * 48) % shades);
}

/**
 * The tiles of a picture, those in the middle first.
 *
 * @param view - `x` and `y` of the middle, `span`: the part of the plane that the width shows.
 * @param size - `width` and `height` of the picture and `tile`, the edge of a tile, in pixels.
 * @returns for each tile its place in the picture, and the argument of `drawTile`.
 */
export function tilesOf({ x, y, span, depth }, { width, height, tile }) {
  const step = span / width;
  const tiles = [];
  for (let row = 0; row < height; row += tile)
    for (let column = 0; column < width; column += tile) {
      const place = { column, row };
      const argument = {
        left: x + (column - width / 2) * step,
        top: y - (row - height / 2) * step,
        step,
        width: Math.min(tile, width - column),
        height: Math.min(tile, height - row),
        depth,
      };
      const distance = Math.hypot(column + tile / 2 - width / 2, row + tile / 2 - height / 2);
      tiles.push({ place, argument, distance });
    }
  return tiles.sort((one, other) => one.distance - other.distance);
}
