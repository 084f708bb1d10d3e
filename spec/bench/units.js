/**
 * What a sample says, and how it is written.
 *
 * @typedef {object} Unit
 * @property {'higher' | 'lower'} better
 * @property {(sample: object, size: number) => number} of
 * @property {(value: number) => string} show
 */

const rate = ({ count, seconds }) => count / seconds;

/** @type {Record<string, Unit>} */
export const units = {
  rate: { better: 'higher', of: rate, show: (value) => `${short(value / 1e3)} k/s` },
  bytes: {
    better: 'higher',
    of: (sample, size) => rate(sample) * size,
    show: (value) => `${short(value / 1e6)} MB/s`,
  },
  time: { better: 'lower', of: ({ count, seconds }) => seconds / count, show: microseconds },
  connections: { better: 'higher', of: rate, show: (value) => `${short(value)} conn/s` },
  memory: { better: 'lower', of: ({ bytes }) => bytes, show: (value) => `${short(value / 1024)} KiB` },
};

/** Seconds as microseconds. */
export function microseconds(seconds) {
  return `${short(seconds * 1e6)} us`;
}

/** Three figures are more than a noisy machine knows. */
function short(value) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return value.toFixed(Math.min(digits, 3)).replace(/\B(?=(\d{3})+$)/g, digits > 0 ? '' : ',');
}
