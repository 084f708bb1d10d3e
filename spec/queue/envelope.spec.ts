import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '../../lib/util/bytes.js';
import {
  checkName,
  checkRaw,
  encodeCancel,
  encodeFailure,
  encodeKeepalive,
  encodeRegistered,
  isControl,
  nameLength,
  nameText,
} from '../../lib/queue/envelope.js';
import { decodeControl, encodeAnswer, encodeRequest } from '../support/queue.js';

interface Registered {
  readonly name: string;
  readonly payload: string;
  readonly bytes: string;
}

const file = new URL('../vectors/seed-wire.json', import.meta.url);
const { registered } = JSON.parse(readFileSync(file, 'utf8')) as { registered: Registered[] };

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const lengthOf = (message: Uint8Array): number => nameLength(message, 0, message.length);
const mark = [0x00, 0x4b, 0x51];

const anyId = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyBytes = fc.uint8Array({ maxLength: 300 });
const anyText = fc
  .tuple(fc.array(fc.constantFrom('a', 'ä', '世', '\u{1f600}', '\0'), { maxLength: 30 }), fc.nat(40))
  .map(([parts, times]) => parts.join('').repeat(times));
const anyName = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 255,
});

describe('a registered message', () => {
  it.each(registered)('for $name has the bytes of the Python library', ({ name, payload, bytes }) => {
    expect(toHex(encodeRegistered(name, fromHex(payload)))).toBe(bytes);
    const message = fromHex(bytes);
    const length = lengthOf(message);
    expect(nameText(message, 0, length)).toBe(name);
    expect(toHex(message.subarray(length + 1))).toBe(payload);
  });

  it('has the name before its first NUL, at any offset in a buffer', () => {
    fc.assert(
      fc.property(anyName, anyBytes, anyBytes, anyBytes, (name, payload, before, after) => {
        const message = encodeRegistered(name, payload);
        const run = Uint8Array.from([...before, ...message, ...after]);
        const length = nameLength(run, before.length, message.length);
        expect(nameText(run, before.length, length)).toBe(name);
        expect(message.subarray(length + 1)).toEqual(payload);
      }),
      { seed: 11 },
    );
  });

  it.each([
    ['one character', ascii('a\0'), 1],
    ['a space and a tilde', ascii(' ~\0x'), 2],
    ['255 characters', ascii(`${'n'.repeat(255)}\0payload`), 255],
    ['256 characters', ascii(`${'n'.repeat(256)}\0payload`), -1],
    ['nothing before the NUL', ascii('\0payload'), -1],
    ['no NUL', ascii('a message'), -1],
    ['no NUL among 255 bytes', ascii('n'.repeat(255)), -1],
    ['nothing at all', ascii(''), -1],
    ['a control character', ascii('a\x1fb\0'), -1],
    ['a DEL', ascii('a\x7fb\0'), -1],
    ['a line end', ascii('name\n\0'), -1],
    ['a byte over 7E at the first place', ascii('\xe4\0'), -1],
    ['UTF-8', Uint8Array.from(Buffer.from('größe\0')), -1],
  ])('is recognized by its name: %s', (_, message, length) => {
    expect(lengthOf(message)).toBe(length);
  });

  it('is not read beyond its own bytes', () => {
    // The NUL belongs to the next message.
    expect(nameLength(ascii('xxname\0'), 2, 4)).toBe(-1);
    expect(nameLength(ascii('xxname\0'), 2, 5)).toBe(4);
  });
});

describe('the name of a message', () => {
  it.each(['a', ' ', '~', 'two words', 'n'.repeat(255), 'close', '__proto__'])('can be %j', (name) => {
    expect(checkName(name)).toBe(name);
  });

  it.each(['', 'n'.repeat(256), 'ä', '世界', 'a\0b', '\0', 'a\n', '\x1f', '\x7f', '\ud800'])(
    'cannot be %j',
    (name) => {
      expect(() => checkName(name)).toThrow(RangeError);
    },
  );

  it.each([undefined, null, 1, {}, Symbol.iterator, ['a'], ascii('a')])(
    'must be a string, not %o',
    (name) => {
      expect(() => checkName(name as never)).toThrow(TypeError);
    },
  );

  it('is in the error with its control characters escaped', () => {
    expect(() => checkName('a\nb')).toThrow('"a\\nb"');
  });
});

describe('a message without a name', () => {
  it('cannot begin like a control message', () => {
    for (const rest of [[], [1], [5], [0xff, 1, 2, 3]]) {
      expect(() => checkRaw(Uint8Array.from([...mark, ...rest]))).toThrow(RangeError);
    }
  });

  it.each(['', '00', '004b', '004b52', '014b51', '00514b', '4b5100', '616200'])(
    'can be the bytes %s',
    (hex) => {
      const message = fromHex(hex);
      expect(checkRaw(message)).toBe(message);
      expect(isControl(message)).toBe(false);
    },
  );

  it('is recognised at any offset in a buffer', () => {
    const run = fromHex('aa 00 4b 51 05');
    expect(isControl(run, 1, 4)).toBe(true);
    expect(isControl(run, 1, 2)).toBe(false);
    expect(isControl(run)).toBe(false);
  });
});

describe('control messages', () => {
  const id = 0x04030201;
  const payload = fromHex('00 ff 7f');

  it.each([
    ['a request', encodeRequest(id, 'name', payload), '00 4b 51 01 01020304 6e616d65 00 00ff7f'],
    ['an empty request', encodeRequest(0, 'n', fromHex('')), '00 4b 51 01 00000000 6e 00'],
    ['an answer', encodeAnswer(id, payload), '00 4b 51 02 01020304 00ff7f'],
    ['an empty answer', encodeAnswer(2 ** 32 - 1, fromHex('')), '00 4b 51 02 ffffffff'],
    ['a failure', encodeFailure(id, 'E1', 'ä'), '00 4b 51 03 01020304 02 4531 0200 c3a4'],
    ['a failure without words', encodeFailure(id, '', ''), '00 4b 51 03 01020304 00 0000'],
    ['a cancel', encodeCancel(id), '00 4b 51 04 01020304'],
    ['a keepalive', encodeKeepalive(), '00 4b 51 05'],
  ])('have fixed bytes: %s', (_, message, hex) => {
    expect(toHex(message)).toBe(hex.replaceAll(' ', ''));
    expect(isControl(message)).toBe(true);
  });

  it('decode to the values that were encoded', () => {
    fc.assert(
      fc.property(anyId, anyName, anyBytes, (number, name, bytes) => {
        const message = encodeRequest(number, name, bytes);
        const request = decodeControl(message);
        if (request.type !== 'request') return expect.fail(request.type);
        expect(request.id).toBe(number);
        expect(nameText(message, request.nameStart, request.nameLength)).toBe(name);
        expect(request.payload).toEqual(bytes);
        expect(decodeControl(encodeAnswer(number, bytes))).toEqual({
          type: 'answer',
          id: number,
          payload: bytes,
        });
        expect(decodeControl(encodeCancel(number))).toEqual({ type: 'cancel', id: number });
      }),
      { seed: 12 },
    );
    expect(decodeControl(encodeKeepalive())).toEqual({ type: 'keepalive' });
  });

  it('of failures decode to their code, their data and their text, which is cut between characters', () => {
    const longest = 1024;
    fc.assert(
      fc.property(
        anyId,
        fc.oneof(anyName, fc.constant('')),
        anyText,
        anyBytes,
        (number, code, text, data) => {
          const failure = decodeControl(concatBytes([encodeFailure(number, code, text), data]));
          if (failure.type !== 'failure') return expect.fail(failure.type);
          expect(failure.id).toBe(number);
          expect(failure.code).toBe(code);
          expect(failure.data).toEqual(data);
          const length = Buffer.byteLength(failure.text);
          expect(length).toBeLessThanOrEqual(longest);
          expect(text.startsWith(failure.text)).toBe(true);
          // No more is cut than has to be: the next character has 4 bytes at most.
          expect(failure.text === text || length > longest - 4).toBe(true);
        },
      ),
      { seed: 13 },
    );
  });

  it.each(['ä', 'a\0', 'line\nend', 'c'.repeat(256)])('of failures omit the code %j', (code) => {
    expect(decodeControl(encodeFailure(7, code, 'text'))).toEqual({
      type: 'failure',
      id: 7,
      code: '',
      text: 'text',
      data: new Uint8Array(0),
    });
  });

  it('of failures keep a code of 255 characters', () => {
    const code = 'c'.repeat(255);
    expect(decodeControl(encodeFailure(7, code, 'text'))).toMatchObject({ code, text: 'text' });
  });

  it.each([
    ['nothing after the mark', '00 4b 51', undefined],
    ['a request without an id', '00 4b 51 01', undefined],
    ['a request with half an id', '00 4b 51 01 000000', undefined],
    ['a request without a name', '00 4b 51 01 00000000', undefined],
    ['a request with an empty name', '00 4b 51 01 00000000 00 61', undefined],
    ['a request whose name has no end', '00 4b 51 01 00000000 6162', undefined],
    ['a request whose name is not ASCII', '00 4b 51 01 00000000 c3a4 00', undefined],
    ['a request whose name is too long', `00 4b 51 01 00000000 ${'61'.repeat(256)} 00`, undefined],
    ['an answer without an id', '00 4b 51 02 0000', undefined],
    ['a failure without an id', '00 4b 51 03 00', undefined],
    ['a failure without the length of its code', '00 4b 51 03 09000000', 9],
    ['a failure with half a code', '00 4b 51 03 09000000 04 414243', 9],
    ['a failure without the length of its text', '00 4b 51 03 09000000 01 41', 9],
    ['a failure with half the length of its text', '00 4b 51 03 09000000 01 41 00', 9],
    ['a failure with half a text', '00 4b 51 03 09000000 01 41 0300 6162', 9],
    ['a failure with less text than 65535 bytes', '00 4b 51 03 09000000 00 ffff 61', 9],
    ['a failure whose code is not ASCII', '00 4b 51 03 09000000 01 80 0100 61', 9],
    ['a failure whose code has a control character', '00 4b 51 03 09000000 02 410a 0000', 9],
    ['a failure whose text is not UTF-8', '00 4b 51 03 09000000 01 41 0100 ff', 9],
    ['a failure whose text ends inside a character', '00 4b 51 03 09000000 00 0100 c3a4', 9],
    ['a cancel without an id', '00 4b 51 04', undefined],
    ['a cancel with something after it', '00 4b 51 04 00000000 00', undefined],
    ['a keepalive with something after it', '00 4b 51 05 00', undefined],
    ['type 0', '00 4b 51 00 00000000', undefined],
    ['type 6', '00 4b 51 06 00000000', undefined],
    ['type 255', '00 4b 51 ff 00000000 00', undefined],
  ])('are malformed: %s', (_, hex, number) => {
    const control = decodeControl(fromHex(hex));
    expect(control).toEqual({ type: 'malformed', id: number, why: expect.any(String) as string });
  });

  it('decode from any bytes without an exception, and well-formed ones encode to the same bytes', () => {
    const kinds = new Set<string>();
    const likely = fc.array(fc.constantFrom(0, 0, 1, 2, 0x20, 0x41, 0x7e, 0x7f, 0xc3, 0xa4, 0xff), {
      maxLength: 12,
    });
    const body = fc.tuple(fc.constantFrom(0, 1, 1, 2, 3, 3, 4, 5, 6, 255), fc.oneof(likely, anyBytes));
    fc.assert(
      fc.property(fc.option(body), (content) => {
        const message = Uint8Array.from([...mark, ...(content ? [content[0], ...content[1]] : [])]);
        const control = decodeControl(message);
        kinds.add(control.type);
        const again = {
          request: () => message,
          answer: () => control.type === 'answer' && encodeAnswer(control.id, control.payload),
          failure: () =>
            control.type === 'failure' &&
            concatBytes([encodeFailure(control.id, control.code, control.text), control.data]),
          cancel: () => control.type === 'cancel' && encodeCancel(control.id),
          keepalive: encodeKeepalive,
          malformed: () => message,
        }[control.type]();
        expect(again).toEqual(message);
      }),
      { seed: 14, numRuns: 3000 },
    );
    expect([...kinds].sort()).toEqual(['answer', 'cancel', 'failure', 'keepalive', 'malformed', 'request']);
  });
});
