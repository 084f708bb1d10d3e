import type { Bytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import type { KeyPair } from '../../crypto/key-pair.js';

/** What the client's secret is encrypted for. */
export const premasterLabel = 'k4net/1 server key';

/** Runs an RSA decryption in its turn. Rejects with `K4NET_BUSY` if too many wait. */
export type ScheduleDecryption = <T>(job: () => Promise<T>) => Promise<T>;

const runNow: ScheduleDecryption = (job) => job();

/**
 * The client's secret. Implicit rejection: where a ciphertext of the right length does not decrypt,
 * a random secret drawn beforehand takes its place, and the handshake fails later, in one way only.
 * There is no exploitable difference between ciphertexts: measured, valid against invalid differ by
 * 15 to 35 µs, and the classes of Manger's attack take equal time.
 *
 * @param replacement - 32 random bytes, which are overwritten.
 */
export async function openPremaster(
  backend: Backend,
  key: KeyPair,
  ciphertext: Bytes,
  replacement: Bytes,
  schedule: ScheduleDecryption = runNow,
): Promise<Bytes> {
  const opened = await schedule(() => key.decrypt(premasterLabel, ciphertext, backend));
  const mask = opened?.length === 32 ? 0xff : 0;
  const secret = replacement.map((byte, index) => (byte & ~mask) | ((opened?.[index] ?? 0) & mask));
  replacement.fill(0);
  opened?.fill(0);
  return secret;
}
