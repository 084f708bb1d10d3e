import { beforeAll, expect, it } from 'vitest';
import { encodeCancel } from '../../lib/queue/envelope.js';
import { needDist } from '../support/dist.js';
import { encodeRequest, hex, registered } from '../support/queue.js';
import { ServerProcess } from '../support/server-process.js';

beforeAll(needDist);

const connections = 8;
const KiB = 1024;
const none = new Uint8Array(0);

/** The messages of one connection: growing ids, and this many bytes with headers. */
function flood(volume: number, make: (id: number) => Uint8Array[]): Uint8Array {
  const bytes = Buffer.alloc(volume);
  let at = 0;
  for (let id = 1; ; id += 1) {
    for (const message of make(id)) {
      if (at + 4 + message.length > volume) return bytes.subarray(0, at);
      at = bytes.writeUInt32LE(message.length, at);
      bytes.set(message, at);
      at += message.length;
    }
  }
}

it.each([
  [4096, 'malformed control messages', () => [hex('00 4b 51 09 00000000')], true],
  [4096, 'failures that are not well formed', () => [hex('00 4b 51 03 01000000 05 41')], true],
  [4096, 'requests of one id', () => [encodeRequest(1, 'never', none)], true],
  [4096, 'requests of names without a callback', (id) => [encodeRequest(id, `x${id % 7}`, none)], false],
  [4096, 'requests that are cancelled', (id) => [encodeRequest(id, 'echo', none), encodeCancel(id)], false],
  // Each of these makes an error with a stack, for the program's onError.
  [128, 'messages of names without a callback', () => [registered('x')], false],
  [128, 'messages whose callback throws', () => [registered('fails')], false],
] as readonly [number, string, (id: number) => Uint8Array[], boolean][])(
  'eight connections that each send %i KiB of %s delay no call of another session by half a second',
  async (size, _, make, cut) => {
    const bytes = flood(size * KiB, make);
    const victim = await ServerProcess.start('plain', true);
    try {
      await victim.reportUntil(({ session }) => session.longest > 0);
      const attackers = await Promise.all(Array.from({ length: connections }, () => victim.stream()));
      for (const attacker of attackers) {
        attacker.resume();
        attacker.end(bytes);
      }
      const { ends, session } = await victim.reportUntil((report) => report.ends.length === connections);
      expect(session.longest).toBeLessThan(500);
      expect(session.code).toBeUndefined();
      expect(new Set(ends)).toEqual(new Set([cut ? 'K4NET_MALFORMED' : 'K4NET_CLOSED']));
    } finally {
      await victim.stop();
    }
  },
  60_000,
);
