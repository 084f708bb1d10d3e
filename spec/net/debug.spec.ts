import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { needDist, run } from '../support/dist.js';

const program = fileURLToPath(new URL('programs/debug-lines.mjs', import.meta.url));

beforeAll(needDist);

afterEach(() => {
  vi.unstubAllEnvs();
});

interface Told {
  readonly codes: readonly string[];
  readonly address: string;
  readonly server: string;
  readonly client: string;
  readonly secrets: readonly string[];
}

/** The program's report about its connections, and its lines on standard error. */
async function lines(sections: string): Promise<{ told: Told; err: string; lines: string[] }> {
  vi.stubEnv('NODE_DEBUG', sections);
  const { code, out, err } = await run(process.execPath, [program]);
  expect(code, err).toBe(0);
  const mine = err.split('\n').filter((line) => line.startsWith('K4NET '));
  return { told: JSON.parse(out) as Told, err, lines: mine.map((line) => line.replace(/^K4NET \d+: /, '')) };
}

describe('NODE_DEBUG', () => {
  it('prints nothing without k4net in it', async () => {
    const { told, err } = await lines('');
    expect(err).toBe('');
    expect(told.codes).toEqual(['K4NET_KEY_MISMATCH', 'K4NET_CONNECT', 'K4NET_CONNECT']);
  });

  it.each(['net,k4net', 'K4NET', 'k4n*'])('set to %s prints lines in the form of Node', async (sections) => {
    const { err } = await lines(sections);
    expect(err).toMatch(/^K4NET \d+: dial /m);
  });

  it('set to k4net prints dial, handshake, trust and close of every connection, with causes', async () => {
    const { told, lines: found } = await lines('k4net');
    const { address, server, client } = told;
    const time = String.raw`\d+\.\d ms`;
    const counts = String.raw`messages: 1 sent \(15 bytes\), 1 taken \(15 bytes\)`;
    const expected = [
      `dial ${address}, attempt 1`,
      `handshake with ${address} begun`,
      `handshake with ${address} succeeded in ${time}`,
      `accepted 127\\.0\\.0\\.1:\\d+`,
      `trust in server ${address}: first-use, key ${server}, not authenticated`,
      `trust in client: none, no key, not authenticated`,
      `trust in server ${address}: known-hosts, key ${server}, authenticated`,
      `trust in client: client-key, key ${client}, authenticated`,
      `closed ${address}, K4NET_CLOSED: .*; ${counts}`,
      `handshake with ${address} failed after ${time}, K4NET_KEY_MISMATCH: .*${server}.*${client}.*`,
      `dial ${address}, attempt 1 failed, K4NET_KEY_MISMATCH: .*`,
      `handshake with 127\\.0\\.0\\.1:\\d+ failed after ${time}, K4NET_PEER_CLOSED: .*`,
      `dial ${address}, attempt 1 failed, K4NET_CONNECT: .*ECONNREFUSED.*`,
      `dial ${address} again after \\d+ ms`,
      `dial ${address}, attempt 2`,
      `refused 127\\.0\\.0\\.1:\\d+: maxPending \\(\\d+\\) connections wait already`,
    ];
    for (const line of expected) {
      const whole = new RegExp(`^${line}$`);
      expect(
        found.some((each) => whole.test(each)),
        `no line ${line} in\n${found.join('\n')}`,
      ).toBe(true);
    }
  });

  it('set to k4net prints no payload and no private key, and escapes control characters', async () => {
    const { told, err, lines: found } = await lines('k4net');
    expect(err).not.toContain('the payload');
    for (const secret of told.secrets) {
      for (const line of secret.split('\n').filter((text) => text.length > 20 && !text.startsWith('-'))) {
        expect(err).not.toContain(line);
      }
    }
    expect(found).toContain(
      String.raw`dial /tmp/k4net-none/before\nafter\u{1b}[31m\u{9b}\u{202e}\u{2028}behind, attempt 1`,
    );
  });
});
