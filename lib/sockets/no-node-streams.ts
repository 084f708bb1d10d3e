import { K4netError } from '../errors.js';
import type * as node from './node-streams.js';

// The form of `#node-streams` for browsers, which have no streams of Node.

export const messageReadable: typeof node.messageReadable = () => {
  throw new K4netError(
    'K4NET_UNSUPPORTED',
    'the build for browsers has no Node streams: make a ReadableStream or WritableStream of recv() and send()',
  );
};

export const messageWritable: typeof node.messageWritable = messageReadable as () => never;
