/** Does a piece of work `count` times, with so many of them at a time. */
export function atATime(inFlight, count, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  return Promise.all(Array.from({ length: inFlight }, worker));
}
