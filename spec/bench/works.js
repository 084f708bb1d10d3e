import { natsBaselines, natsNames, natsWorks } from './nats-works.js';

/**
 * The works that the benchmark measures, and the goals of k4net. Goals are ratios inside one run,
 * because absolute figures of two machines, or of two days, cannot be compared. Only memory and the
 * time of an import have absolute goals.
 *
 * @typedef {object} Work
 * @property {string} title
 * @property {'latency' | 'throughput' | 'streams' | 'connections' | 'nats'} section - on the page.
 * @property {'stream' | 'download' | 'requests' | 'connections' | 'typed-calls'} [workload] - see
 *   workloads/.
 * @property {'pool' | 'fresh' | 'memory' | 'import'} sampling - see sampling.js.
 * @property {number} [size] - bytes of a message.
 * @property {number} [inFlight] - requests or connections at a time.
 * @property {number} [count] - messages of one measurement. Otherwise they fill the target time.
 * @property {number} [maxRepeat] - repetitions at most, where one takes long.
 * @property {readonly string[]} [contestants] - only these; otherwise all but `specialists`.
 * @property {Record<string, Goals>} figures - by unit, see units.js.
 *
 * @typedef {Record<string, Record<string, number> | number>} Goals - by contestant: the ratio to
 *   reach, by what it is compared with, or an absolute maximum. A ratio is a maximum where less is
 *   better, and a minimum otherwise.
 */

/** The contestants with streaming calls. */
export const streamingNames = [
  'QueueSocket-items',
  'QueueSocket-items-encrypted',
  'QueueSocket-typed-items',
  'QueueSocket-typed-items-encrypted',
  'QueueSocket-upload',
  'QueueSocket-upload-encrypted',
  'QueueSocket-beside-upload',
  'QueueSocket-beside-upload-encrypted',
];

/** Contestants that take part only in works that name them. */
export const specialists = ['ws-json', 'wss-json', 'net', 'tls', ...streamingNames, ...natsNames];

const typedCalls = {
  section: 'latency',
  workload: 'typed-calls',
  sampling: 'fresh',
  size: 0,
  contestants: ['QueueSocket', 'ws-json', 'QueueSocket-encrypted', 'wss-json'],
  figures: {
    time: { QueueSocket: { 'ws-json': 1 }, 'QueueSocket-encrypted': { 'wss-json': 1 } },
    cpu: { QueueSocket: { 'ws-json': 1 }, 'QueueSocket-encrypted': { 'wss-json': 1 } },
  },
};

/** What items of streaming calls are compared with. */
const besideItems = [
  'QueueSocket',
  'QueueSocket-encrypted',
  'LockedSocket',
  'EncryptedSocket',
  'socket.io',
  'grpc',
];

const answerItems = {
  section: 'streams',
  workload: 'download',
  sampling: 'pool',
  contestants: [...besideItems, ...streamingNames.filter((name) => name.includes('-items'))],
};

const callsBesideUpload = {
  section: 'streams',
  workload: 'requests',
  sampling: 'pool',
  size: 64,
  contestants: [
    'QueueSocket',
    'QueueSocket-encrypted',
    ...streamingNames.filter((name) => name.includes('-beside-upload')),
  ],
};

const bodyItems = {
  section: 'streams',
  workload: 'stream',
  sampling: 'pool',
  contestants: [...besideItems, ...streamingNames.filter((name) => name.includes('QueueSocket-upload'))],
};

/** @type {Record<string, Work>} */
export const works = {
  'typed-calls-cold': {
    ...typedCalls,
    title: 'Typed calls in sequence, each with a notification, the first 5,000',
    count: 5000,
  },
  'typed-calls-warm': {
    ...typedCalls,
    title: 'Typed calls in sequence, each with a notification, 60,000',
    count: 60_000,
    maxRepeat: 7,
  },
  'ping-pong': {
    title: 'Ping-pong of 64 B',
    section: 'latency',
    workload: 'requests',
    sampling: 'fresh',
    size: 64,
    inFlight: 1,
    count: 20_000,
    maxRepeat: 7,
    contestants: [
      'LockedSocket',
      'net',
      'EncryptedSocket',
      'EncryptedSocket-webcrypto',
      'tls',
      'ws',
      'wss',
      'zeromq',
      'zeromq-curve',
      'secret-stream',
      'QueueSocket',
      'QueueSocket-encrypted',
      'socket.io',
      'grpc',
    ],
    figures: {
      p50: { EncryptedSocket: { tls: 1.15 } },
      p99: { EncryptedSocket: { tls: 1.5 } },
      first1000: { EncryptedSocket: { tls: 2 } },
    },
  },
  import: {
    title: 'Import of the package, over bare Node',
    section: 'latency',
    sampling: 'import',
    contestants: ['k4net', 'ws', 'socket.io', 'grpc', 'zeromq', 'secret-stream'],
    figures: { startup: { k4net: 0.06 } },
  },
  '64B': {
    title: '64 B one way',
    section: 'throughput',
    workload: 'stream',
    sampling: 'pool',
    size: 64,
    figures: {
      rate: {
        LockedSocket: { 'net-batch': 0.8 },
        'LockedSocket-batches': { 'net-batch': 0.8 },
        EncryptedSocket: { 'tls-batch': 1 },
        'EncryptedSocket-batches': { 'tls-batch': 1 },
        QueueSocket: { LockedSocket: 0.5, 'socket.io': 5 },
      },
    },
  },
  '1KiB': {
    title: '1 KiB one way',
    section: 'throughput',
    workload: 'stream',
    sampling: 'pool',
    size: 1024,
    figures: {
      rate: {
        LockedSocket: { 'net-batch': 0.95 },
        'LockedSocket-batches': { 'net-batch': 0.95 },
        EncryptedSocket: { 'tls-batch': 1.2 },
        'EncryptedSocket-batches': { 'tls-batch': 1.2 },
      },
    },
  },
  '1MiB': {
    title: '1 MiB one way',
    section: 'throughput',
    workload: 'stream',
    sampling: 'pool',
    size: 1024 * 1024,
    figures: {
      bytes: { LockedSocket: { 'net-batch': 1 }, EncryptedSocket: { 'tls-framed': 1.3 } },
    },
  },
  '64-in-flight': {
    title: '64 requests of 64 B in flight',
    section: 'throughput',
    workload: 'requests',
    sampling: 'pool',
    size: 64,
    inFlight: 64,
    figures: {
      rate: {
        LockedSocket: { 'net-batch': 0.9 },
        'LockedSocket-batches': { 'net-batch': 0.9 },
        EncryptedSocket: { 'tls-framed': 1 },
        'EncryptedSocket-batches': { 'tls-framed': 1 },
        QueueSocket: { 'socket.io': 5, grpc: 3 },
      },
    },
  },
  'items-64B': {
    ...answerItems,
    title: 'A streaming call: items of 64 B',
    size: 64,
    figures: {
      rate: {
        'QueueSocket-items': { QueueSocket: 0.5, 'socket.io': 5, grpc: 5 },
        'QueueSocket-items-encrypted': { 'QueueSocket-encrypted': 0.5 },
      },
      cpu: {},
    },
  },
  'items-64KiB': {
    ...answerItems,
    title: 'A streaming call: items of 64 KiB',
    size: 64 * 1024,
    figures: {
      bytes: {
        'QueueSocket-items': { LockedSocket: 0.9, 'socket.io': 5, grpc: 5 },
        'QueueSocket-items-encrypted': { EncryptedSocket: 0.9 },
      },
    },
  },
  'upload-64B': {
    ...bodyItems,
    title: 'An upload: items of 64 B',
    size: 64,
    figures: {
      rate: {
        'QueueSocket-upload': { QueueSocket: 0.5, 'socket.io': 5, grpc: 5 },
        'QueueSocket-upload-encrypted': { 'QueueSocket-encrypted': 0.5 },
      },
      cpu: {},
    },
  },
  'upload-64KiB': {
    ...bodyItems,
    title: 'An upload: items of 64 KiB',
    size: 64 * 1024,
    figures: {
      bytes: {
        'QueueSocket-upload': { LockedSocket: 0.9, 'socket.io': 5, grpc: 5 },
        'QueueSocket-upload-encrypted': { EncryptedSocket: 0.9 },
      },
    },
  },
  'call-beside-upload': {
    ...callsBesideUpload,
    title: 'A call of 64 B, beside an upload or not',
    inFlight: 1,
    figures: {
      p50: {
        'QueueSocket-beside-upload': { QueueSocket: 3 },
        'QueueSocket-beside-upload-encrypted': { 'QueueSocket-encrypted': 3 },
      },
      p99: {},
    },
  },
  '64-calls-beside-upload': {
    ...callsBesideUpload,
    title: '64 calls of 64 B in flight, beside an upload or not',
    inFlight: 64,
    figures: {
      rate: {
        'QueueSocket-beside-upload': { QueueSocket: 1 / 3 },
        'QueueSocket-beside-upload-encrypted': { 'QueueSocket-encrypted': 1 / 3 },
      },
    },
  },
  connect: {
    title: 'New connections, one after another',
    section: 'connections',
    workload: 'connections',
    sampling: 'pool',
    size: 64,
    inFlight: 1,
    figures: { connections: { EncryptedSocket: { 'tls-framed': 2 } } },
  },
  'connect-8': {
    title: 'New connections, eight at a time',
    section: 'connections',
    workload: 'connections',
    sampling: 'pool',
    size: 64,
    inFlight: 8,
    figures: { connections: {} },
  },
  'idle-memory': {
    title: 'Server memory of an idle connection',
    section: 'connections',
    sampling: 'memory',
    size: 64,
    maxRepeat: 3,
    figures: { memory: { LockedSocket: 9 * 1024, EncryptedSocket: 14 * 1024 } },
  },
  ...natsWorks,
};

/** The contestants that each contestant of k4net is compared with, where both do the same work. */
export const baselines = {
  LockedSocket: ['net', 'net-framed', 'net-batch', 'ws', 'zeromq'],
  'LockedSocket-batches': ['net-batch', 'LockedSocket'],
  EncryptedSocket: ['tls', 'tls-framed', 'tls-batch', 'wss', 'zeromq-curve', 'secret-stream'],
  'EncryptedSocket-batches': ['tls-framed', 'tls-batch', 'EncryptedSocket'],
  'EncryptedSocket-webcrypto': ['EncryptedSocket'],
  QueueSocket: ['ws-json', 'LockedSocket', 'socket.io', 'grpc'],
  'QueueSocket-encrypted': ['wss-json', 'EncryptedSocket', 'socket.io', 'grpc'],
  'QueueSocket-items': ['QueueSocket', 'LockedSocket', 'socket.io', 'grpc'],
  'QueueSocket-items-encrypted': ['QueueSocket-encrypted', 'EncryptedSocket', 'socket.io', 'grpc'],
  'QueueSocket-typed-items': ['QueueSocket-items', 'QueueSocket'],
  'QueueSocket-typed-items-encrypted': ['QueueSocket-items-encrypted', 'QueueSocket-encrypted'],
  'QueueSocket-beside-upload': ['QueueSocket'],
  'QueueSocket-beside-upload-encrypted': ['QueueSocket-encrypted'],
  'QueueSocket-upload': ['QueueSocket', 'LockedSocket', 'socket.io', 'grpc'],
  'QueueSocket-upload-encrypted': ['QueueSocket-encrypted', 'EncryptedSocket', 'socket.io', 'grpc'],
  ...natsBaselines,
  k4net: ['ws', 'socket.io', 'grpc'],
};
