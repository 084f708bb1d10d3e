import { expect, it } from 'vitest';
import { wordsOf } from '../../docs/examples/chat/identity.js';

it('the words of a fingerprint are one of 256 different words for each byte', () => {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const words = bytes.map((byte) => wordsOf(`sha256:${hex(byte)}${hex(255 - byte)}${'00'.repeat(30)}`));
  expect(new Set(words.map(([first]) => first)).size).toBe(256);
  expect(words.every(([first, second], byte) => first === words[255 - byte]?.[1] && second)).toBe(true);
  expect(wordsOf('sha256:0001ff', 3)).toEqual(['acorn', 'actor', 'zebra']);
});
