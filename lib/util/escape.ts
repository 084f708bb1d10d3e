/** Longer text is cut: a peer decides how long its text is. */
const longest = 1024;

// U+FE0F chooses the form of an emoji.
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

/** The same in quotation marks, which the text cannot end. */
export function quoteText(text: string): string {
  return `"${escapeText(text.replace(/["\\]/g, '\\$&'))}"`;
}
