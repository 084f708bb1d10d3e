import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { connectNats } from '../../lib/nats/connect-nats.js';
import { listenNats } from '../../lib/nats/listen-nats.js';
import { root } from '../support/dist.js';
import { useFixture } from '../support/fixture.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { textOf, until } from '../support/sockets.js';

/** The frames of the example in the protocol, as hexadecimal digits. */
function documented(): string[] {
  const page = readFileSync(path.join(root, 'docs/protocol.md'), 'utf8');
  const [, section = ''] = page.split('## Frames over NATS');
  const lines = [...section.matchAll(/^(?:client|server) -> .*?((?: [0-9a-f]{2,})+)$/gm)];
  return lines.map(([, digits = '']) => digits.replaceAll(' ', ''));
}

describeNats('the frames on the wire', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  it('are those of the example in the protocol', async () => {
    const spy = await nats.connection();
    const seen: string[] = [];
    const server = await listenNats(await nats.connection(), 'orders', { plain: true });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    void server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
    for (const subject of ['k4net.>', '_INBOX.>']) {
      spy.subscribe(subject, {
        callback: (_error, { data }) => void seen.push(Buffer.from(data).toString('hex')),
      });
    }
    await spy.flush();
    const client = await connectNats(await nats.connection(), 'orders', { plain: true });
    await client.send('a');
    expect(textOf(await client.recv())).toBe('a');
    await client.close();
    const expected = documented();
    expect(expected).toHaveLength(8);
    await until(() => seen.length >= expected.length);
    expect(seen).toEqual(expected);
  });
});
