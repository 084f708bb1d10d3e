const isWanted = !['', undefined].includes(process.env['K4NET_NATS_TIMES']);

/** Prints a figure for people, if K4NET_NATS_TIMES is set. Tests assert no times. */
export function measured(what: string, figure: string): void {
  if (isWanted) process.stdout.write(`measured: ${what}: ${figure}\n`);
}

/** Starts a stopwatch, which returns the milliseconds since then. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => Math.round(performance.now() - start);
}

/** Bytes as MiB with one digit. */
export function inMib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
