import type { MakeSocketPair } from '../support/sockets.js';
import { describeClosing } from './closing-suite.js';
import { describeLoops } from './loop-suite.js';
import { describeReceiving } from './receive-suite.js';
import { describeSending } from './send-suite.js';

/** The rules of every message socket, over any transport. */
export function describeSocket(name: string, makePair: MakeSocketPair): void {
  describeReceiving(name, makePair);
  describeLoops(name, makePair);
  describeSending(name, makePair);
  describeClosing(name, makePair);
}
