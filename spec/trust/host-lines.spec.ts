import { FileError } from '../../lib/errors.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostLines } from '../../lib/trust/host-lines.js';
import type { KnownHost } from '../../lib/trust/known-hosts.js';

const fingerprint = `sha256:${'a'.repeat(64)}`;
const host: KnownHost = {
  name: 'host:1',
  fingerprint,
  state: 'pinned',
  firstSeen: '2026-01-31',
  lastSeen: '2026-02-01',
};
const written = `host:1 k4net1 ${fingerprint} pinned 2026-01-31 2026-02-01`;

const word = fc.constantFrom(
  'host:1',
  'HOST:1',
  'other:2',
  'k4net1',
  fingerprint,
  'pinned',
  'revoked',
  '2026-01-31',
  '#',
  '\xef\xbb\xbf',
  '\xff',
  'x',
);
const gap = fc.constantFrom(' ', '\t', '', '\n', '\r\n', '\r', '\n\n');
/** Text that resembles a known-hosts file, and other text. */
const text = fc.oneof(
  fc.array(fc.oneof(word, gap), { maxLength: 40 }).map((parts) => parts.join('')),
  fc
    .array(fc.oneof(word, fc.constant(written)), { maxLength: 12 })
    .chain((lines) => fc.constantFrom('\n', '\r\n').map((end) => lines.join(end))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const parse = (content: string) => new HostLines('file', Buffer.from(content, 'latin1'));
const latin1 = (lines: HostLines) => Buffer.from(lines.toBytes()).toString('latin1');

/** The value, or undefined for a FileError. Any other exception fails the test. */
function orRefused<T>(task: () => T): { value: T } | undefined {
  try {
    return { value: task() };
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}

describe('a known-hosts file with any text', () => {
  it('is read or refused, and stays the same if nothing is set', () => {
    fc.assert(
      fc.property(text, (content) => {
        const lines = orRefused(() => parse(content))?.value;
        if (!lines) {
          const names = content
            .split(/\r\n|\r|\n/)
            .map((line) => line.replace(/^\xef\xbb\xbf/, '').replace(/^[ \t]+/, ''));
          expect(names.some((line) => !/^(#|[!-~]*([ \t]|$))/.test(line)) || content.includes('\0')).toBe(
            true,
          );
          return;
        }
        orRefused(() => lines.find('host:1'));
        expect(lines.changed).toBe(false);
        expect(latin1(lines)).toBe(content);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps all other lines when an entry is set, and then returns that entry', () => {
    fc.assert(
      fc.property(text, (content) => {
        const lines = orRefused(() => parse(content))?.value;
        if (
          !lines ||
          !orRefused(() => {
            lines.set(host);
          })
        )
          return;
        const after = latin1(lines);
        expect(parse(after).find('host:1')).toEqual(host);
        const others = (all: string) =>
          all
            .split(/\r\n|\r|\n/)
            .filter(
              (line) => !/^(\xef\xbb\xbf)?[ \t]*(\xef\xbb\xbf)?host:1([ \t]|$)/i.test(line) && line !== '',
            );
        expect(others(after)).toEqual(others(content));
      }),
      { numRuns: 2000 },
    );
  });

  it('never hides an entry: its name is found or refused', () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom('\n', '\r\n', '\r'), (before, after, end) => {
        const lines = orRefused(() => parse(`${before}${end}${written}${end}${after}`))?.value;
        const found = lines && orRefused(() => lines.find('host:1'));
        if (found) expect(found.value).toEqual(host);
      }),
      { numRuns: 2000 },
    );
  });
});
