/**
 * The figures of a sample and how they are written.
 *
 * @typedef {object} Unit
 * @property {'higher' | 'lower'} better
 * @property {(sample: object, size: number) => number} of
 * @property {(value: number) => string} show
 * @property {string} [label] - where the unit alone does not say it.
 */

const rate = ({ count, seconds }) => count / seconds;

/** @type {Record<string, Unit>} */
export const units = {
  time: {
    better: 'lower',
    label: 'time',
    of: ({ count, seconds }) => seconds / count,
    show: microseconds,
  },
  cpu: {
    better: 'lower',
    label: 'CPU of both sides',
    of: ({ clientCpu, serverCpu }) => clientCpu + serverCpu,
    show: microseconds,
  },
  p50: { better: 'lower', label: 'p50', of: ({ p50 }) => p50, show: microseconds },
  p99: { better: 'lower', label: 'p99', of: ({ p99 }) => p99, show: microseconds },
  first1000: {
    better: 'lower',
    label: 'first 1,000',
    of: ({ first1000 }) => first1000,
    show: milliseconds,
  },
  startup: { better: 'lower', label: 'time', of: ({ seconds }) => seconds, show: milliseconds },
  rate: { better: 'higher', of: rate, show: (value) => `${short(value / 1e3)} k/s` },
  bytes: {
    better: 'higher',
    of: (sample, size) => rate(sample) * size,
    show: (value) => `${short(value / 1e6)} MB/s`,
  },
  connections: { better: 'higher', of: rate, show: (value) => `${short(value)} conn/s` },
  memory: { better: 'lower', of: ({ bytes }) => bytes, show: (value) => `${short(value / 1024)} KiB` },
};

/** Seconds as microseconds. */
export function microseconds(seconds) {
  return `${short(seconds * 1e6)} us`;
}

function milliseconds(seconds) {
  return `${short(seconds * 1e3)} ms`;
}

/** Three significant figures: measurements on a shared machine have no more. */
function short(value) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return value.toFixed(Math.min(digits, 3)).replace(/\B(?=(\d{3})+$)/g, digits > 0 ? '' : ',');
}
