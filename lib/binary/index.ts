export { EndOfDataError, K4netError, MalformedError } from '../errors.js';
export { SEEK_CUR, SEEK_END, SEEK_SET, type SeekWhence } from './cursor.js';
export { BinaryEditor, type BinaryEditorConstructor } from './editor.js';
export type { StringEncoding } from './encodings.js';
export { BinaryReader } from './reader.js';
export type { RawStringOptions, StringOptions } from './string-format.js';
export type { StructValue } from './struct-format.js';
export { BinaryWriter } from './writer.js';
