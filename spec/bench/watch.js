/** Measures the time and the CPU time of this process. */
export class Watch {
  #cpu = process.cpuUsage();
  #time = process.hrtime.bigint();
  result = { seconds: 0, cpu: 0 };

  start() {
    this.#cpu = process.cpuUsage();
    this.#time = process.hrtime.bigint();
  }

  stop() {
    const time = process.hrtime.bigint() - this.#time;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.result = { seconds: Number(time) / 1e9, cpu: (user + system) / 1e6 };
  }
}
