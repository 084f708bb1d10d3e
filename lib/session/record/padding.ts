/** The padding of records, which hides the lengths of messages: "Padding" in docs/protocol.md. */
export type PaddingPolicy = 'none' | 'padme' | `block:${number}`;

/** Returns the bytes of padding for a plaintext of a given length that may grow up to a limit. */
export type Padding = (plaintext: number, limit: number) => number;

/** The policy `none`. */
export const noPadding: Padding = () => 0;

const maxBlock = 2 ** 20;

/** The padding of a policy. */
export function createPadding(policy: PaddingPolicy = 'none'): Padding {
  if (policy === 'none') return noPadding;
  if (policy === 'padme') return (plaintext, limit) => capped(plaintext, padme(plaintext), limit);
  const size =
    typeof policy === 'string' && /^block:[1-9][0-9]{0,6}$/.test(policy) ? Number(policy.slice(6)) : 0;
  if (size < 1 || size > maxBlock) {
    throw new TypeError(
      `padding must be 'none', 'padme' or 'block:n' with n from 1 to 2^20, not '${policy}'`,
    );
  }
  return (plaintext, limit) => capped(plaintext, Math.ceil(plaintext / size) * size, limit);
}

function capped(plaintext: number, padded: number, limit: number): number {
  return Math.max(0, Math.min(padded, limit) - plaintext);
}

// Padmé rounds the length up so that its lowest bits are 0: at most 12 % more.
function padme(length: number): number {
  const exponent = 31 - Math.clz32(length);
  const step = 2 ** (exponent - (32 - Math.clz32(exponent)));
  return step <= 1 ? length : Math.ceil(length / step) * step;
}
