import type { Bytes } from '../../util/bytes.js';
import type { EphemeralShare } from '../../crypto/backend.js';

/** Extensions that only tests send, by the type of the message. */
export type FurtherExtensions = Readonly<
  Record<number, readonly { readonly id: number; readonly data: Bytes }[]>
>;

/** What a test gives a client in the place of its random choices. @internal */
export interface ClientInjection {
  readonly random?: Bytes;
  readonly premaster?: Bytes;
  readonly ciphertext?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly signature?: Bytes;
  readonly extensions?: FurtherExtensions;
}

/** What a test gives a server in the place of its random choices. @internal */
export interface ServerInjection {
  readonly random?: Bytes;
  readonly rejectPremaster?: Bytes;
  readonly ephemeral?: EphemeralShare;
  readonly extensions?: FurtherExtensions;
}
