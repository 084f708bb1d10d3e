import { describe, expect, it } from 'vitest';
import { type Bytes, concatBytes } from '../../../lib/util/bytes.js';
import { type CipherChoice, chooseBackend } from '../../../lib/crypto/choose-backend.js';
import { decodeAlert } from '../../../lib/session/record/alerts.js';
import { createPadding } from '../../../lib/session/record/padding.js';
import { type PlannedRecord, type RecordWriter, writeNonce } from '../../../lib/session/record/format.js';
import { createWriter } from '../../../lib/session/record/writer.js';
import { MemoryEnd, kindOfError, splitUnits } from '../memory-end.js';
import { framed } from '../pairs.js';
import {
  type VectorHandshake,
  type VectorRecord,
  handshakeNamed,
  hex,
  toHex,
  vectorClient,
  vectorServer,
  vectors,
} from '../vectors.js';

const ciphers: CipherChoice[] = ['node', 'webcrypto'];
const { handshakes, implicitRejection, padding, records } = vectors;
const roles = ['client', 'server'] as const;

function writer(cipher: CipherChoice, secret: Bytes): RecordWriter {
  return createWriter(chooseBackend(cipher), secret);
}

function planned(
  record: Pick<VectorRecord, 'type' | 'pad' | 'final' | 'content'>,
  seq: number,
): PlannedRecord {
  const content = hex(record.content);
  return {
    type: record.type,
    content: content.length > 0 ? [content] : [],
    contentLength: content.length,
    pad: record.pad,
    seq,
    final: record.final,
  };
}

/** Plays one side of a handshake against its other side's units. */
async function replay(
  base: VectorHandshake,
  role: 'client' | 'server',
  cipher: CipherChoice,
): Promise<MemoryEnd> {
  const end = new MemoryEnd(
    role === 'client' ? await vectorClient(base, cipher) : await vectorServer(base, undefined, cipher),
  );
  await end.start();
  const sent: string[] = [];
  for (const unit of base.units) {
    if (unit.from !== role) await end.feed(framed(hex(unit.body)));
    sent.push(...splitUnits(end.takeSent()).map(toHex));
  }
  expect(end.error).toBeUndefined();
  expect(sent).toEqual(base.units.filter(({ from }) => from === role).map(({ body }) => body));
  expect(end.settled).toBe(true);
  return end;
}

let replayed = 0;

describe.each(ciphers)('the transcripts of the vectors, with the %s cipher', (cipher) => {
  // The reference did not keep the ephemeral key of its server, so that side cannot be replayed.
  const sides = handshakes.flatMap((base) =>
    roles
      .filter((role) => role === 'client' || base.random.serverEphemeral !== null)
      .map((role) => ({ name: base.name, role, base })),
  );

  it.each(sides)('gives the bytes, secrets and session of $name as the $role', async ({ role, base }) => {
    const end = await replay(base, role, cipher);
    const session = end.session!;
    const { secrets, expect: wanted } = base;
    expect(toHex(session.id)).toBe(secrets['sessionId']);
    const { label, context, length, output } = secrets.exporter;
    expect(toHex(await session.export(label, hex(context), length))).toBe(output);
    const facts = session.facts;
    expect(facts.clientKey?.fingerprint ?? null).toBe(wanted.clientKey && `sha256:${wanted.clientKey}`);
    expect(facts.appProtocol ?? null).toBe(wanted.appProtocol);
    expect(facts.serverName ?? null).toBe(wanted.serverName);
    const mine = role === 'client' ? wanted.clientMaySend : wanted.serverMaySend;
    const theirs = role === 'client' ? wanted.serverMaySend : wanted.clientMaySend;
    expect([facts.sendLimit, facts.receiveLimit]).toEqual([mine, theirs]);
    expect(end.confirmed).toBe(role === 'client' && wanted.confirm);

    const incoming = base.records.filter(({ from }) => from !== role);
    for (const { body } of incoming) await end.feed(framed(hex(body)));
    const content = incoming.filter(({ type }) => type === 2).map((record) => record.content);
    expect(toHex(concatBytes(end.stream))).toBe(content.join(''));
    const alert = incoming.find(({ type }) => type === 3);
    if (alert && decodeAlert(hex(alert.content)).alert !== 0) {
      expect(end.error).toMatchObject({ alert: 14, app: 4711, authenticated: true });
    } else expect([end.closed, kindOfError(end.error)]).toEqual([alert !== undefined, 'none']);

    const outgoing = base.records.filter(({ from }) => from === role);
    const own = writer(cipher, hex(base.epoch1[role].secret));
    const sealed = await own.write(outgoing.map((record) => planned(record, record.seq)));
    expect(splitUnits(concatBytes(sealed)).map(toHex)).toEqual(outgoing.map(({ body }) => body));
    replayed += 1;
  });

  it.each(records)('gives the bytes of the record: $name', async (record) => {
    const nonce = new Uint8Array(12);
    writeNonce(nonce, hex(record.iv), 0, Number(record.seq));
    expect(toHex(nonce)).toBe(record.nonce);
    const sealed = await writer(cipher, hex(record.secret)).write([planned(record, Number(record.seq))]);
    expect(splitUnits(concatBytes(sealed)).map(toHex)).toEqual([record.body]);
  });

  it.each(implicitRejection.cases)('answers with implicit rejection: $name', async (test) => {
    const base = handshakeNamed(implicitRejection.base);
    const end = new MemoryEnd(await vectorServer(base, implicitRejection.rejectPms, cipher));
    await end.feed(framed(hex(test.clientHello)));
    expect(splitUnits(end.takeSent()).map(toHex)).toEqual([test.serverHello, test.serverFinished]);
  });
});

it('replays all 17 handshakes of the vectors', () => {
  expect(handshakes.length).toBe(17);
  expect(replayed).toBe(ciphers.length * (2 * handshakes.length - 1));
});

it.each(padding)(
  'pads a plaintext of $plaintext bytes with policy $policy as the vectors do',
  ({ policy, plaintext, limit, pad }) => {
    expect(createPadding(policy)(plaintext, limit)).toBe(pad);
  },
);
