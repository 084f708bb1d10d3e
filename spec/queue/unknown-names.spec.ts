import { expect, it } from 'vitest';
import { takeWarnings } from '../support/warnings.js';
import { useFixture } from '../support/fixture.js';
import { ErrorLog } from '../support/queue.js';
import { textOf } from '../support/sockets.js';

const fixture = useFixture('plain over TCP');

it('the process warns once of each of the first 16 names without a callback, with the peer, and of no more names', async () => {
  const { near, far } = await fixture.startedQueuePair();
  for (let nth = 1; nth <= 20; nth += 1) {
    for (let again = 0; again < 3; again += 1) void near.sendRegistered(`name-${nth}`);
  }
  void near.send('last');
  expect(textOf(await far.recv())).toBe('last');
  const given = await takeWarnings();
  const texts = Array.from(
    { length: 16 },
    (_, i) => `no callback for the message 'name-${i + 1}' (peer ${far.remoteAddress})`,
  );
  const last = `${texts.pop()}. Further unknown names are not reported`;
  expect(given.map(({ message }) => message)).toEqual([...texts, last]);
  for (const { code } of given) expect(code).toBe('K4NET_NO_CALLBACK');
});

it('onError gets each message for a name without a callback, with the peer', async () => {
  const errors = new ErrorLog();
  const { near, far } = await fixture.startedQueuePair({ far: { onError: errors.onError } });
  for (let i = 0; i < 20; i += 1) void near.sendRegistered('misspelt');
  void near.send('last');
  await far.recv();
  expect(errors.entries.length).toBe(20);
  for (const { error, info } of errors.entries) {
    expect(info).toEqual({ name: 'misspelt', kind: 'message' });
    expect(error).toMatchObject({
      code: 'K4NET_NO_CALLBACK',
      message: `no callback for the message 'misspelt' (peer ${far.remoteAddress})`,
    });
  }
});
