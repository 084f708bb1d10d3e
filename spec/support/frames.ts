/** A message on the wire, encoded without the library: length as u32, little-endian, and bytes. */
export function frame(message: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(message);
  return Uint8Array.from(Buffer.concat([header(bytes.length), bytes]));
}

/** The header that announces a message of that length. */
export function header(length: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return Uint8Array.from(bytes);
}

/** Many messages as they are on the wire, one after another. */
export function frames(messages: readonly (Uint8Array | string)[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(messages.map(frame)));
}

/** The messages of runs of whole frames, decoded without the library. */
export function unframe(runs: readonly Uint8Array[]): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (const run of runs) {
    const buffer = Buffer.from(run.buffer, run.byteOffset, run.length);
    let at = 0;
    while (at < buffer.length) {
      const length = buffer.readUInt32LE(at);
      if (at + 4 + length > buffer.length) throw new Error('a run holds whole frames only');
      messages.push(Uint8Array.from(buffer.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
  }
  return messages;
}
