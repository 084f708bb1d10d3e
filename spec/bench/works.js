/**
 * What is measured, and the goals of the library. They are ratios inside one run: absolute numbers of two machines, or
 * of two days, say nothing about each other. Only memory does not depend on what else the machine does.
 *
 * @typedef {object} Work
 * @property {string} title
 * @property {'stream' | 'requests' | 'connections'} kind - one way, answered one for one, or up to the first answer.
 * @property {number} size - bytes of a message.
 * @property {number} inFlight - requests or connections that are waited for at a time.
 * @property {'rate' | 'bytes' | 'time' | 'connections' | 'memory'} unit
 * @property {Record<string, Record<string, number>>} goals - by contestant and by what it is compared with: the figure to
 * reach, as a multiple of the other's; a most where less is better, a least otherwise.
 * @property {Record<string, number>} [most] - by contestant: the figure not to exceed.
 */

/** @type {Record<string, Work>} */
export const works = {
  '64B': {
    title: '64 B one way',
    kind: 'stream',
    size: 64,
    inFlight: 0,
    unit: 'rate',
    goals: {
      LockedSocket: { 'net-batch': 0.8 },
      'LockedSocket-batches': { 'net-batch': 0.8 },
      EncryptedSocket: { 'tls-batch': 1 },
      'EncryptedSocket-batches': { 'tls-batch': 1 },
      QueueSocket: { LockedSocket: 0.5, 'socket.io': 5 },
    },
  },
  '1KiB': {
    title: '1 KiB one way',
    kind: 'stream',
    size: 1024,
    inFlight: 0,
    unit: 'rate',
    goals: {
      LockedSocket: { 'net-batch': 0.95 },
      'LockedSocket-batches': { 'net-batch': 0.95 },
      EncryptedSocket: { 'tls-batch': 1.2 },
      'EncryptedSocket-batches': { 'tls-batch': 1.2 },
    },
  },
  '1MiB': {
    title: '1 MiB one way',
    kind: 'stream',
    size: 1024 * 1024,
    inFlight: 0,
    unit: 'bytes',
    goals: { LockedSocket: { 'net-batch': 1 }, EncryptedSocket: { 'tls-framed': 1.3 } },
  },
  'ping-pong': {
    title: '64 B there and back',
    kind: 'requests',
    size: 64,
    inFlight: 1,
    unit: 'time',
    goals: { EncryptedSocket: { 'tls-framed': 1.1 } },
  },
  '64-in-flight': {
    title: '64 requests of 64 B in flight',
    kind: 'requests',
    size: 64,
    inFlight: 64,
    unit: 'rate',
    goals: {
      LockedSocket: { 'net-batch': 0.9 },
      'LockedSocket-batches': { 'net-batch': 0.9 },
      EncryptedSocket: { 'tls-framed': 1 },
      'EncryptedSocket-batches': { 'tls-framed': 1 },
      QueueSocket: { 'socket.io': 5, grpc: 3 },
    },
  },
  connect: {
    title: 'New connections, one after another',
    kind: 'connections',
    size: 64,
    inFlight: 1,
    unit: 'connections',
    goals: { EncryptedSocket: { 'tls-framed': 2 } },
  },
  'connect-8': {
    title: 'New connections, eight at a time',
    kind: 'connections',
    size: 64,
    inFlight: 8,
    unit: 'connections',
    goals: {},
  },
  'idle-memory': {
    title: 'Server memory of an idle connection',
    kind: 'connections',
    size: 64,
    inFlight: 8,
    unit: 'memory',
    goals: {},
    most: { LockedSocket: 9 * 1024, EncryptedSocket: 14 * 1024 },
  },
};

/** What each contestant of the library is compared with in every work, goal or not. */
export const beside = {
  LockedSocket: ['net-framed', 'net-batch', 'ws', 'zeromq'],
  'LockedSocket-batches': ['net-batch', 'LockedSocket'],
  EncryptedSocket: ['tls-framed', 'tls-batch', 'wss', 'zeromq-curve', 'secret-stream'],
  'EncryptedSocket-batches': ['tls-framed', 'tls-batch', 'EncryptedSocket'],
  'EncryptedSocket-webcrypto': ['EncryptedSocket'],
  QueueSocket: ['LockedSocket', 'socket.io', 'grpc'],
  'QueueSocket-encrypted': ['EncryptedSocket', 'socket.io', 'grpc'],
};
