import { BinaryCursor, plainBytes, type SeekWhence } from './cursor.js';
import { BinaryReader } from './reader.js';
import { BinaryWriter } from './writer.js';

/**
 * Reads and writes over one growing buffer with one position: every method of {@link BinaryReader}
 * and of {@link BinaryWriter}. A write overwrites the bytes at the position and extends the data at
 * its end.
 *
 * @example
 * ```ts
 * import { BinaryEditor } from 'k4net';
 *
 * const editor = new BinaryEditor(Uint8Array.of(1, 2, 3, 4));
 * editor.seek(1);
 * editor.writeUint8(editor.readUint8() + 40);
 * console.log(editor.data);
 * ```
 */
export interface BinaryEditor extends BinaryReader, BinaryWriter {
  /**
   * Moves to `offset` bytes from the start, from the position or from the end, and returns the new
   * position.
   *
   * A position past the end is allowed: reads there fail, and a write fills the gap with zeros
   * first. Throws a RangeError before the start.
   */
  seek(offset: number, whence?: SeekWhence): number;
  /**
   * Moves to the next multiple of `alignment` bytes from the start and returns the new position.
   * Does not move if the position is a multiple already.
   *
   * If that is past the end, zeros extend the data up to it at once. Existing bytes do not change.
   */
  align(alignment?: number): number;
}

/** Makes a {@link BinaryEditor}. */
export interface BinaryEditorConstructor {
  readonly prototype: BinaryEditor;
  /** Starts with a copy of `initial` and the position at 0. Default: empty. */
  new (initial?: Uint8Array | ArrayBuffer): BinaryEditor;
}

/** See the interface of the same name. */
export const BinaryEditor: BinaryEditorConstructor = /* @__PURE__ */ define();

function define(): BinaryEditorConstructor {
  const Editor = class BinaryEditor extends BinaryReader {
    constructor(initial?: Uint8Array | ArrayBuffer) {
      super(initial === undefined ? new Uint8Array(0) : plainBytes('a BinaryEditor', initial).slice());
    }
  };
  // A class has one base class, so the methods of the writer are copied from its prototypes. They
  // work on any cursor, because reader and writer have no state besides that of the cursor.
  for (const methods of writerLayers()) {
    for (const [name, method] of Object.entries(Object.getOwnPropertyDescriptors(methods))) {
      if (name !== 'constructor') Object.defineProperty(Editor.prototype, name, method);
    }
  }
  return Editor as unknown as BinaryEditorConstructor;
}

/** The prototypes with the methods of the writer, base class first. */
function writerLayers(): object[] {
  const layers: object[] = [];
  let layer: unknown = BinaryWriter.prototype;
  while (layer instanceof BinaryCursor) {
    layers.unshift(layer);
    layer = Object.getPrototypeOf(layer);
  }
  return layers;
}
