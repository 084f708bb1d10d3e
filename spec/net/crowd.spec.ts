import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { turns } from '../support/recorder.js';
import { carriers, networkHandles, useFixture } from '../support/fixture.js';
import { until } from '../support/sockets.js';

const fixture = useFixture();

const patient = { retries: Infinity, minDelay: 5, maxDelay: 50 };

describe.each(carriers)('a thousand connections at once over %s', (carrier) => {
  it('are all served', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const serving = server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
    const client = async (nth: number): Promise<string> => {
      const sock = await connect({ plain: true, ...server.address(), retry: patient, timeout: Infinity });
      await sock.send(`${nth}`);
      const answer = await sock.recvText();
      await sock.close();
      return answer;
    };
    const numbers = Array.from({ length: 1000 }, (_, i) => i);
    expect(await Promise.all(numbers.map(client))).toEqual(numbers.map(String));
    await server.close();
    await serving;
    expect(server.connections).toBe(0);
    await until(() => networkHandles() === 0);
  });
});

describe('a server that closes at any moment', () => {
  const moments = fc.record({
    clients: fc.integer({ min: 0, max: 8 }),
    most: fc.constantFrom(1, 3, Infinity),
    maxPending: fc.constantFrom(1, 511),
    before: fc.nat(30),
    timeout: fc.constantFrom(0, 1, 10),
    carrier: fc.constantFrom(...carriers),
  });

  it('leaves no promise pending, and fails only with k4net errors', async () => {
    await fc.assert(
      fc.asyncProperty(moments, async ({ clients, most, maxPending, before, timeout, carrier }) => {
        const failures: unknown[] = [];
        const note = (error: unknown): void => void failures.push(error);
        const server = await fixture.plainServer({
          ...(await fixture.listenAddress(carrier)),
          maxPending,
          onError: note,
        });
        const serving = server.serve(
          async (sock) => {
            for await (const message of sock) await sock.send(message);
          },
          { maxConnections: most },
        );
        const client = async (): Promise<void> => {
          const retry = { retries: 2, minDelay: 0, maxDelay: 1 };
          const sock = await connect({ plain: true, ...server.address(), retry });
          try {
            for (let i = 0; i < 5; i += 1) {
              await sock.send(new Uint8Array(i * 20_000));
              await sock.recv();
            }
          } finally {
            await sock.close();
          }
        };
        const running = Array.from({ length: clients }, () => client().catch(note));
        await turns(before);
        await server.close({ timeout });
        await Promise.all([...running, serving]);
        expect(server.connections).toBe(0);
        expect(failures.filter((error) => !K4netError.is(error))).toEqual([]);
      }),
      { numRuns: 60 },
    );
    await until(() => networkHandles() === 0);
  });
});
