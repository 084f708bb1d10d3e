// The program of a worker of this example, in a page and in Node.
import { drawTile } from './mandelbrot.js';
import { messages } from './messages.js';
import { work } from './work.js';

work(messages, {
  tile: drawTile,
  crash: () =>
    new Promise(() => {
      // Outside of the callback: an error inside of it would only be the answer.
      setTimeout(() => {
        throw new Error('this worker crashes because it was asked to');
      });
    }),
});
