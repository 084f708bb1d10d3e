/** Longer text is cut, because the peer chooses the length of its text. */
const longest = 1024;

// U+FE0F selects the form of an emoji and is kept.
const invisible = /(?![ \ufe0f])[\p{C}\p{Z}\p{DI}]/gu;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text of a peer, safe to print: control characters (C0 and C1), bidirectional controls and other
 * invisible characters are escaped, and text of more than 1024 characters is cut. Otherwise a peer
 * could forge lines of a log, or reorder them.
 */
export function escapeText(text: string): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}...` : text;
  return cut.replace(invisible, (char) => {
    return short[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Text of a peer as `escapeText` returns it, in quotation marks. Escapes quotation marks in it. */
export function quoteText(text: string): string {
  return `"${escapeText(text.replace(/["\\]/g, '\\$&'))}"`;
}
