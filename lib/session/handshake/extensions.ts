import {
  type Bytes,
  concatBytes,
  decodeUtf8,
  readU16,
  readU32,
  u16Bytes,
  u32Bytes,
} from '../../util/bytes.js';
import { K4netError } from '../../errors.js';
import { withOptions } from '../../util/options.js';

/** The numbers of the extensions that this version supports: "Units" in docs/protocol.md. */
export const extensionId = { serverName: 2, recordLimit: 3, appProtocol: 5 } as const;

/** The bounds of the extension `record_limit`. */
export const recordLimitBounds: { readonly minimum: number; readonly maximum: number } = {
  minimum: 2 ** 14,
  maximum: 2 ** 20,
};

const critical = 0x8000;

/** An extension in its block. */
export interface RawExtension {
  /** The number, without the critical bit. */
  readonly number: number;
  readonly critical: boolean;
  readonly data: Bytes;
}

/** The values of the extensions of one message. */
export interface Extensions {
  readonly serverName?: string;
  readonly recordLimit?: number;
  readonly appProtocols?: readonly string[];
}

/**
 * Reads the structure of an extension block, without the values: step 4 of "Errors" in
 * docs/protocol.md.
 */
export function scanExtensions(reader: FieldReader, what: string): RawExtension[] {
  const block = new FieldReader(reader.take(reader.u16()), 0, `the extension block of ${what}`);
  const found: RawExtension[] = [];
  let previous = -1;
  while (block.left > 0) {
    const id = block.u16();
    const number = id & ~critical;
    if (number <= previous) {
      throw new K4netError('K4NET_MALFORMED', `the extensions of ${what} are not in order`);
    }
    previous = number;
    found.push({ number, critical: id >= critical, data: block.take(block.u16()) });
  }
  return found;
}

/**
 * Reads the values of the extensions that a message may contain: step 6 of "Errors" in
 * docs/protocol.md.
 */
export function readExtensions(found: readonly RawExtension[], known: readonly number[]): Extensions {
  const unknown = found.find((extension) => extension.critical && !known.includes(extension.number));
  if (unknown) {
    throw new K4netError(
      'K4NET_UNSUPPORTED',
      `the peer sent the unknown critical extension ${unknown.number}`,
    );
  }
  const data = (number: number) =>
    known.includes(number) ? found.find((extension) => extension.number === number)?.data : undefined;
  const serverName = data(extensionId.serverName);
  const recordLimit = data(extensionId.recordLimit);
  const appProtocol = data(extensionId.appProtocol);
  return withOptions({
    ...(serverName && { serverName: readServerName(serverName) }),
    ...(recordLimit && { recordLimit: readRecordLimit(recordLimit) }),
    ...(appProtocol && { appProtocols: readAppProtocols(appProtocol) }),
  });
}

/** Whether text can be a server name: printable ASCII without spaces. */
export function isServerName(text: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(text);
}

function readServerName(data: Bytes): string {
  const text = String.fromCharCode(...data.subarray(0, 256));
  if (isServerName(text)) return text;
  throw new K4netError('K4NET_MALFORMED', 'a server name must be 1 to 255 printable ASCII characters');
}

function readRecordLimit(data: Bytes): number {
  const limit = data.length === 4 ? readU32(data, 0) : 0;
  if (limit >= recordLimitBounds.minimum && limit <= recordLimitBounds.maximum) return limit;
  throw new K4netError('K4NET_MALFORMED', 'a record limit must be a number from 2^14 to 2^20');
}

function readAppProtocols(data: Bytes): string[] {
  const reader = new FieldReader(data, 0, 'the list of application protocols');
  const protocols: string[] = [];
  do {
    const name = reader.take(reader.u8());
    if (name.length === 0)
      throw new K4netError('K4NET_MALFORMED', 'an application protocol has an empty name');
    protocols.push(protocolText(name));
  } while (reader.left > 0);
  return protocols;
}

// On the wire, a name may be any bytes. A name that is not UTF-8 is valid; the NUL makes its text
// differ from every name of this side.
function protocolText(name: Bytes): string {
  try {
    return decodeUtf8(name);
  } catch {
    return `\0${String.fromCharCode(...name)}`;
  }
}

/**
 * An extension block. Further extensions replace those with the same number; only tests send them.
 */
export function encodeExtensions(
  extensions: Extensions,
  further: readonly { readonly id: number; readonly data: Bytes }[] = [],
): Bytes {
  const { serverName, recordLimit, appProtocols } = withOptions(extensions);
  const all = [...further];
  const add = (id: number, data: Bytes) => {
    if (!further.some((other) => (other.id & ~critical) === id)) all.push({ id, data });
  };
  const encoder = new TextEncoder();
  if (serverName !== undefined) add(extensionId.serverName, encoder.encode(serverName));
  if (recordLimit !== undefined) add(extensionId.recordLimit, u32Bytes(recordLimit));
  if (appProtocols !== undefined) {
    const names = appProtocols.map((name) => encoder.encode(name));
    add(extensionId.appProtocol, concatBytes(names.flatMap((name) => [new Uint8Array([name.length]), name])));
  }
  all.sort((a, b) => (a.id & ~critical) - (b.id & ~critical));
  const block = concatBytes(all.flatMap(({ id, data }) => [u16Bytes(id), u16Bytes(data.length), data]));
  return concatBytes([u16Bytes(block.length), block]);
}

/** Reads the fields of a handshake body in order. A read past the end throws `K4NET_MALFORMED`. */
export class FieldReader {
  readonly #bytes: Bytes;
  readonly #what: string;
  #offset: number;

  constructor(bytes: Bytes, offset: number, what: string) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return readU16(this.take(2), 0);
  }

  take(length: number): Bytes {
    if (length > this.left) {
      throw new K4netError(
        'K4NET_MALFORMED',
        `${this.#what} is too short: a field needs ${length} bytes, but ${this.left} are left`,
      );
    }
    const taken = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return taken;
  }

  end(): void {
    if (this.left > 0) {
      throw new K4netError('K4NET_MALFORMED', `${this.#what} has ${this.left} bytes too many`);
    }
  }
}
