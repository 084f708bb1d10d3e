import { plainBytes } from './checks.js';
import { BinaryCursor, type SeekWhence } from './cursor.js';
import { BinaryReader } from './reader.js';
import { BinaryWriter } from './writer.js';

/**
 * Reads and writes over one growing buffer with one position: every method of {@link BinaryReader} and of
 * {@link BinaryWriter}. A write replaces what is at the position and goes on past the end.
 */
export interface BinaryEditor extends BinaryReader, BinaryWriter {
  /**
   * Moves to `offset` bytes from the start, from the position or from the end, and returns the new position.
   *
   * Past the end is allowed: nothing can be read there, and a write first fills the gap with zeros.
   * A RangeError for one before the start.
   */
  seek(offset: number, whence?: SeekWhence): number;
  /**
   * Moves to the next multiple of `alignment` bytes from the start, if not on one, and returns the new position.
   *
   * Where that is past the end, the data grows up to it with zeros, at once. What is there already stays.
   */
  align(alignment?: number): number;
}

/** Makes a {@link BinaryEditor}. */
export interface BinaryEditorConstructor {
  readonly prototype: BinaryEditor;
  /** Begins with a copy of `initial`, if there is one, and with the position at 0. */
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
  // A class has one parent, the editor needs two: it takes the methods of the second as they are.
  // Reader and writer keep no state beside the cursor's, so they work on any cursor.
  for (const methods of writerLayers()) {
    for (const [name, method] of Object.entries(Object.getOwnPropertyDescriptors(methods))) {
      if (name !== 'constructor') Object.defineProperty(Editor.prototype, name, method);
    }
  }
  return Editor as unknown as BinaryEditorConstructor;
}

/** What holds the writer's own methods and those it inherits, the most basic first, down to the cursor. */
function writerLayers(): object[] {
  const layers: object[] = [];
  let layer: unknown = BinaryWriter.prototype;
  while (layer instanceof BinaryCursor) {
    layers.unshift(layer);
    layer = Object.getPrototypeOf(layer);
  }
  return layers;
}
