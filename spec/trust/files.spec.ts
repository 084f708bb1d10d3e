import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../support/dist.js';

const fileCode = ['atomic-file', 'file-lock', 'key-file', 'known-hosts-file', 'small-file'];

it('the code of trust decisions reaches file code through files.ts only, so that a web build can replace it', () => {
  const folder = path.join(root, 'lib/trust');
  const importers = readdirSync(folder)
    .filter((name) => !fileCode.includes(path.parse(name).name))
    .filter((name) => {
      const text = readFileSync(path.join(folder, name), 'utf8');
      return fileCode.some((each) => text.includes(`'./${each}.js'`));
    });
  expect(importers).toEqual(['files.ts']);
});
