import { describe, expect, it } from 'vitest';
import { buildDeclarations } from './build.js';
import { exportedNames, sortedDeclarations } from './declarations.js';

/** The rolled declarations of one entry, in one file. */
async function roll(entry: string): Promise<string> {
  const { output } = await buildDeclarations([entry], false);
  const [chunk, ...others] = output.filter((file) => file.type === 'chunk');
  expect(others).toEqual([]);
  return chunk!.code;
}

function page(title: string, parts: readonly string[]): string {
  return `# ${title}\n\nMade by \`npm run api\`. Do not edit.\n\n${parts.join('\n\n')}\n`;
}

const list = (code: string): string => exportedNames(code).join('\n');
const block = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

// If one of these fails on purpose, run `npm run api` and review its changes to the report.
describe('the API report', () => {
  it('has the exports and types of "k4net"', async () => {
    const code = await roll('index');
    const report = page('The public types of "k4net"', [
      'Exports:',
      block('text', list(code)),
      'Declarations, those included that are not exported but that exports refer to:',
      block('ts', sortedDeclarations(code)),
    ]);
    await expect(report).toMatchFileSnapshot('api/k4net.api.md');
  });

  it('has the exports of "k4net/binary" and "k4net/codec"', async () => {
    const report = page('The exports of "k4net/binary" and "k4net/codec"', [
      'Their types are in the report of "k4net".',
      ...(await Promise.all(
        ['binary', 'codec'].map(
          async (name) => `"k4net/${name}":\n\n${block('text', list(await roll(`${name}/index`)))}`,
        ),
      )),
    ]);
    await expect(report).toMatchFileSnapshot('api/entries.api.md');
  });

  it('has the exports of "k4net/nats" and those of its types that "k4net" does not have', async () => {
    const code = await roll('nats/index');
    const shared = new Set(sortedDeclarations(await roll('index')).split('\n\n'));
    const own = sortedDeclarations(code)
      .split('\n\n')
      .filter((declaration) => !shared.has(declaration));
    const report = page('The public types of "k4net/nats"', [
      'Exports:',
      block('text', list(code)),
      'Declarations that are not in the report of "k4net":',
      block('ts', own.join('\n\n')),
    ]);
    await expect(report).toMatchFileSnapshot('api/nats.api.md');
  });
});
