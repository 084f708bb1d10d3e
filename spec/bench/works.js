/**
 * What is measured, and the goals of the library (docs/performance figures are ratios inside one run: absolute
 * numbers of two machines, or of two days, say nothing about each other).
 *
 * @typedef {object} Goal
 * @property {string} baseline - the contestant that does the same work.
 * @property {number} [ratio] - the speed to reach, as a multiple of the baseline's; left out: for information.
 *
 * @typedef {object} Work
 * @property {'stream' | 'requests'} kind - one way, or answered one for one.
 * @property {number} size - bytes of a message.
 * @property {number} inFlight - requests without an answer at a time.
 * @property {'rate' | 'bytes' | 'time'} unit - messages or bytes a second, or the time of a message.
 * @property {Record<string, Goal>} goals - by contestant.
 */

/** @type {Record<string, Work>} */
export const works = {
  '64B': {
    kind: 'stream',
    size: 64,
    inFlight: 0,
    unit: 'rate',
    goals: { LockedSocket: { baseline: 'net-batch', ratio: 0.8 } },
  },
  '1KiB': {
    kind: 'stream',
    size: 1024,
    inFlight: 0,
    unit: 'rate',
    goals: { LockedSocket: { baseline: 'net-batch', ratio: 0.95 } },
  },
  '1MiB': {
    kind: 'stream',
    size: 1024 * 1024,
    inFlight: 0,
    unit: 'bytes',
    goals: { LockedSocket: { baseline: 'net-batch', ratio: 1 } },
  },
  'ping-pong': {
    kind: 'requests',
    size: 64,
    inFlight: 1,
    unit: 'time',
    goals: { LockedSocket: { baseline: 'net-framed' } },
  },
  '64-in-flight': {
    kind: 'requests',
    size: 64,
    inFlight: 64,
    unit: 'rate',
    goals: { LockedSocket: { baseline: 'net-batch', ratio: 0.9 } },
  },
};
