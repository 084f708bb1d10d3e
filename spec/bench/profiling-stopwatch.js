import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { Stopwatch } from './measurement.js';

/**
 * A stopwatch that writes a CPU profile of the measured time. The inspector runs commands
 * synchronously here.
 */
export class ProfilingStopwatch extends Stopwatch {
  #file;
  #session = new Session();

  constructor(file) {
    super();
    this.#file = file;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.setSamplingInterval', { interval: 100 });
  }

  start() {
    this.#session.post('Profiler.start');
    super.start();
  }

  stop() {
    super.stop();
    this.#session.post('Profiler.stop', (error, result) => {
      // A server of several connections stops without a start.
      if (!error) writeFileSync(this.#file, JSON.stringify(result.profile));
    });
  }
}
