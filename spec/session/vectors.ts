import { readFileSync } from 'node:fs';
import type { Bytes } from '../../lib/util/bytes.js';
import { KeyPair } from '../../lib/crypto/key-pair.js';
import type { EphemeralShare } from '../../lib/crypto/backend.js';
import { agree, type CryptoKeyLike } from '../../lib/crypto/suite.js';
import { ClientHandshake } from '../../lib/session/handshake/client.js';
import type { FurtherExtensions } from '../../lib/session/handshake/options.js';
import type { PaddingPolicy } from '../../lib/session/record/padding.js';
import { ServerHandshake } from '../../lib/session/handshake/server.js';
import { chooseBackend, type CipherChoice } from '../../lib/crypto/choose-backend.js';

type Role = 'client' | 'server';
type RawExtensions = Record<string, Record<string, string>>;
interface SideOptions {
  serverKey?: 'key' | 'pin' | 'any';
  identifyToUnknownServer?: boolean;
  serverName?: string;
  recordLimit?: number;
  appProtocols?: string[];
  extensions?: RawExtensions;
  pad?: PaddingPolicy;
  clientKey?: 0 | 1 | 2;
}
interface EpochKeys {
  secret: string;
  key: string;
  iv: string;
}
export interface VectorRecord {
  from: Role;
  epoch: number;
  seq: number;
  type: number;
  pad: number;
  final: boolean;
  content: string;
  body: string;
}
export interface VectorHandshake {
  name: string;
  serverKey: string;
  clientKey: string | null;
  options: { client: SideOptions; server: SideOptions };
  random: {
    clientRandom: string;
    serverRandom: string;
    pms: string;
    oaepCiphertext: string;
    clientEphemeral: string;
    serverEphemeral: string | null;
    clientSignature: string | null;
  };
  units: { from: Role; name: string; body: string; plain?: string; pad?: number }[];
  secrets: Record<string, string> & {
    exporter: { label: string; context: string; length: number; output: string };
  };
  epoch0: Record<Role, EpochKeys>;
  epoch1: Record<Role, EpochKeys>;
  expect: {
    clientKey: string | null;
    confirm: boolean;
    appProtocol: string | null;
    clientMaySend: number;
    serverMaySend: number;
    serverName: string | null;
  };
  records: VectorRecord[];
}
export interface VectorCase {
  name: string;
  receiver: Role;
  base: string;
  after: number;
  bytes: string;
  eof: boolean;
  expect: { kind: string; alert: number | null; in: string | null };
  config?: { maxKeyChanges?: number };
  delivered?: string[];
  note?: string;
}
interface Vectors {
  keys: Record<string, { type: string; bits: number; pkcs8: string; spki: string; id: string }>;
  handshakes: VectorHandshake[];
  records: {
    name: string;
    secret: string;
    key: string;
    iv: string;
    seq: string;
    nonce: string;
    type: number;
    pad: number;
    final: boolean;
    content: string;
    body: string;
  }[];
  padding: { policy: PaddingPolicy; plaintext: number; limit: number; pad: number }[];
  implicitRejection: {
    base: string;
    rejectPms: string;
    cases: { name: string; clientHello: string; serverHello: string; serverFinished: string }[];
  };
  negative: VectorCase[];
  orderly: VectorCase[];
}

export const vectors = JSON.parse(
  readFileSync(new URL('../vectors/k4net-1.json', import.meta.url), 'utf8'),
) as Vectors;

export const hex = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'hex'));
export const toHex = (bytes: Bytes): string => Buffer.from(bytes).toString('hex');

export function handshakeNamed(name: string): VectorHandshake {
  const found = vectors.handshakes.find((handshake) => handshake.name === name);
  if (!found) throw new Error(`no handshake '${name}'`);
  return found;
}

const pairs = new Map<string, Promise<KeyPair>>();
/** A key pair of the file, imported once. */
export function keyPair(name: string): Promise<KeyPair> {
  let pair = pairs.get(name);
  if (!pair) {
    pair = KeyPair.fromPkcs8(hex(vectors.keys[name]!.pkcs8));
    pairs.set(name, pair);
  }
  return pair;
}

/** A private P-256 key for ECDH from PKCS#8: the library itself generates such keys only. */
export async function importEphemeral(pkcs8: Bytes): Promise<CryptoKeyLike> {
  const algorithm = { name: 'ECDH', namedCurve: 'P-256' };
  const key = await globalThis.crypto.subtle.importKey('pkcs8', pkcs8 as never, algorithm, false, [
    'deriveBits',
  ]);
  return key;
}

/**
 * In these PKCS#8 forms the private part follows its own tag, and the public point is at the end.
 */
async function ephemeral(pkcs8: string, cipher: CipherChoice | undefined): Promise<EphemeralShare> {
  const backend = chooseBackend(cipher);
  const der = hex(pkcs8);
  if (backend.sync) {
    const at = pkcs8.indexOf('0201010420') / 2 + 5;
    return backend.newShare(der.subarray(at, at + 32));
  }
  const ecdh = { name: 'ECDH', namedCurve: 'P-256' };
  const privateKey = await crypto.subtle.importKey('pkcs8', der, ecdh, false, ['deriveBits']);
  return { share: der.slice(-65), agree: (point) => agree(privateKey, point) };
}

function furtherExtensions(raw: RawExtensions = {}): FurtherExtensions {
  const entries = Object.entries(raw).map(([type, extensions]) => [
    Number(type),
    Object.entries(extensions).map(([id, data]) => ({ id: Number(id), data: hex(data) })),
  ]);
  return Object.fromEntries(entries) as FurtherExtensions;
}

/** One client sends its limit in an extension with the critical bit, which no option produces. */
function criticalLimit(raw: RawExtensions = {}): number | undefined {
  const data = raw['3']?.['32771'];
  return data === undefined ? undefined : new DataView(hex(data).buffer).getUint32(0, true);
}

export async function vectorClient(base: VectorHandshake, cipher?: CipherChoice): Promise<ClientHandshake> {
  const { client } = base.options;
  const serverKey = (await keyPair(base.serverKey)).publicKey;
  const { random } = base;
  return new ClientHandshake(
    {
      cipher,
      ...(client.serverKey === 'key' && { serverKey }),
      ...(client.serverKey === 'pin' && { pin: serverKey.fingerprint }),
      identity: base.clientKey === null ? undefined : await keyPair(base.clientKey),
      identifyToUnknownServer: client.identifyToUnknownServer,
      serverName: client.serverName,
      recordLimit: client.recordLimit ?? criticalLimit(client.extensions),
      appProtocols: client.appProtocols,
      padding: client.pad,
    },
    {
      random: hex(random.clientRandom),
      premaster: hex(random.pms),
      ciphertext: hex(random.oaepCiphertext),
      ephemeral: await ephemeral(random.clientEphemeral, cipher),
      ...(random.clientSignature !== null && { signature: hex(random.clientSignature) }),
      extensions: furtherExtensions(client.extensions),
    },
  );
}

export async function vectorServer(
  base: VectorHandshake,
  rejectPremaster?: string,
  cipher?: CipherChoice,
): Promise<ServerHandshake> {
  const { server } = base.options;
  const { serverRandom, serverEphemeral } = base.random;
  return new ServerHandshake(
    {
      cipher,
      key: await keyPair(base.serverKey),
      clientAuth: (['none', 'wanted', 'required'] as const)[server.clientKey ?? 0],
      recordLimit: server.recordLimit,
      appProtocols: server.appProtocols,
      padding: server.pad,
    },
    {
      random: hex(serverRandom),
      ...(serverEphemeral !== null && { ephemeral: await ephemeral(serverEphemeral, cipher) }),
      ...(rejectPremaster !== undefined && { rejectPremaster: hex(rejectPremaster) }),
      extensions: furtherExtensions(server.extensions),
    },
  );
}
