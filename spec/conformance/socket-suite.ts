import type { FixtureArguments } from '../support/fixture.js';
import { describeClosing } from './closing-suite.js';
import { describeLoops } from './loop-suite.js';
import { describeReceiving } from './receive-suite.js';
import { describeSending } from './send-suite.js';

/** The rules of every message socket, over any transport. */
export function describeSocket(name: string, ...kind: FixtureArguments): void {
  describeReceiving(name, ...kind);
  describeLoops(name, ...kind);
  describeSending(name, ...kind);
  describeClosing(name, ...kind);
}
