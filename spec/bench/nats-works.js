// The works that compare k4net over NATS with k4net over TCP and with NATS alone.

const sockets = ['LockedSocket', 'EncryptedSocket'];
const queues = ['QueueSocket', 'QueueSocket-encrypted'];
const ownOverNats = [
  'LockedSocket-nats',
  'EncryptedSocket-nats',
  'QueueSocket-nats',
  'QueueSocket-nats-encrypted',
];

/** The contestants that need a nats-server. They take part only in the works here. */
export const natsNames = [...ownOverNats, 'nats'];

const oneWay = {
  section: 'nats',
  workload: 'stream',
  sampling: 'pool',
  contestants: [...sockets, 'LockedSocket-nats', 'EncryptedSocket-nats', 'nats'],
};

const calls = {
  section: 'nats',
  workload: 'requests',
  sampling: 'pool',
  size: 64,
  contestants: [...queues, 'QueueSocket-nats', 'QueueSocket-nats-encrypted', 'nats'],
};

/** @type {Record<string, import('./works.js').Work>} */
export const natsWorks = {
  'nats-64-in-flight': {
    ...calls,
    title: '64 calls of 64 B in flight, over TCP and over NATS',
    inFlight: 64,
    figures: { rate: { 'QueueSocket-nats-encrypted': { nats: 2 } } },
  },
  'nats-call': {
    ...calls,
    title: 'A call of 64 B alone, over TCP and over NATS',
    inFlight: 1,
    figures: { p50: { 'QueueSocket-nats-encrypted': { nats: 1.3 } } },
  },
  'nats-64B': {
    ...oneWay,
    title: '64 B one way, over TCP and over NATS',
    size: 64,
    figures: { rate: { 'EncryptedSocket-nats': { nats: 1.5 } } },
  },
  'nats-1KiB': {
    ...oneWay,
    title: '1 KiB one way, over TCP and over NATS',
    size: 1024,
    figures: { bytes: {} },
  },
  'nats-64KiB': {
    ...oneWay,
    title: '64 KiB one way, over TCP and over NATS',
    size: 64 * 1024,
    figures: { bytes: {} },
  },
};

/** What each of the contestants over NATS is compared with. */
export const natsBaselines = {
  'LockedSocket-nats': ['LockedSocket', 'nats'],
  'EncryptedSocket-nats': ['EncryptedSocket', 'nats'],
  'QueueSocket-nats': ['QueueSocket', 'nats'],
  'QueueSocket-nats-encrypted': ['QueueSocket-encrypted', 'nats'],
};
