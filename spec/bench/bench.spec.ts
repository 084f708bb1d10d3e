import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('./run.js', import.meta.url));
const contestants = [
  'EncryptedSocket',
  'EncryptedSocket-webcrypto',
  'LockedSocket',
  'net-batch',
  'net-framed',
];
const works = ['64B', '1KiB', '1MiB', 'ping-pong', '64-in-flight'];

// No speed is asserted: only that the benchmark still runs and that its counts are right.
test('the benchmark has a row for each work and contestant, and all bytes came', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--count', '70', '--repeat', '1']);
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
  for (const work of works) {
    for (const contestant of contestants) {
      const row = rows.find((cells) => cells[0] === work && cells[1] === contestant);
      expect(row, `${work} ${contestant}`).toBeDefined();
      expect(row?.at(-1)).toBe('70 msg ok');
    }
  }
});
