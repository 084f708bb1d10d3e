// The works, the places that they run in, and the goals: k4net divided by the bare carrier.

const perSecond = (time) => `${Math.round(1 / time).toLocaleString('en')} k/s`;
const megabytes = (time, size) => `${Math.round(size / time / 1000).toLocaleString('en')} MB/s`;
const microseconds = (time) => `${(time * 1000).toFixed(1)} us`;

/** The works. A round is its kind and the size of its messages. Times are of one message, in ms. */
export const figures = {
  '64B up': { round: ['up', 64], show: perSecond },
  '64B down': { round: ['down', 64], show: perSecond },
  '1KiB up': { round: ['up', 1024], show: perSecond },
  '1KiB down': { round: ['down', 1024], show: perSecond },
  '1MiB up': { round: ['up', 2 ** 20], show: megabytes },
  '1MiB down': { round: ['down', 2 ** 20], show: megabytes },
  'ping-pong': { round: ['echo', 64], show: microseconds, isTime: true },
};

export const places = {
  page: { title: 'page to `ws`', in: 'page', carrier: 'webSocket', kinds: ['plain', 'encrypted'] },
  ws: { title: '`ws` to `ws`', in: 'node', carrier: 'webSocket', kinds: ['plain', 'encrypted'] },
  worker: { title: 'page and worker', in: 'page', carrier: 'port', kinds: ['plain'] },
  threads: { title: 'worker_threads', in: 'node', carrier: 'port', kinds: ['plain'] },
};

const goals = {
  '64B': { plain: 10, encrypted: 8, port: 5 },
  '1KiB': { plain: 1.5, encrypted: 1.2, port: 1.5 },
  '1MiB': { plain: 0.6, encrypted: 0.3, port: 0.4 },
  'ping-pong': { plain: 1.5, encrypted: 2.5, port: 2.5 },
};

export function goalOf(work, place, kind) {
  return goals[work.split(' ')[0]][places[place].carrier === 'port' ? 'port' : kind];
}
