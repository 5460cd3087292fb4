/**
 * Protobuf messages, field by field, with every length checked against the message it lies in.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { FormatError } from '../../errors.ts';

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** How deep unknown groups may nest; ONNX has none. */
const MAX_GROUPS = 16;

/**
 * One message being read. Loop `while (m.next())`, switch on `m.field`, and take the field's value with exactly one of the readers
 * or `skip()`.
 * @throws FormatError from every method, when the bytes are not the message they should be.
 */
export class Message {
  readonly #reader: BinaryReader;
  /** Number of the current field. */
  field = 0;
  #wire: WireType = WireType.Varint;

  /** `what` names the message in errors: `ModelProto`, `node 3`. */
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {
    this.#reader = new BinaryReader(bytes);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#reader.pos >= this.#reader.len) return false;
    [this.field, this.#wire] = this.#guard(() => this.#reader.tag());
    return true;
  }

  /** An integer. Beyond 2^53 the nearest double, which is enough to clamp with and too large to be an extent. */
  int(): number {
    this.#expect(WireType.Varint);
    return this.#guard(() => Number(this.#reader.int64()));
  }

  float(): number {
    this.#expect(WireType.Bit32);
    return this.#guard(() => this.#reader.float());
  }

  /** The bytes of a length-delimited field, not copied. */
  raw(): Uint8Array {
    this.#expect(WireType.LengthDelimited);
    const reader = this.#reader;
    const length = this.#guard(() => reader.uint32());
    if (length > reader.len - reader.pos) {
      this.fail(`expected field ${this.field} to hold ${length} bytes, got ${reader.len - reader.pos}`);
    }
    reader.pos += length;
    return this.bytes.subarray(reader.pos - length, reader.pos);
  }

  string(): string {
    const bytes = this.raw();
    try {
      return text.decode(bytes);
    } catch {
      this.fail(`expected field ${this.field} to be UTF-8 text, got other bytes`);
    }
  }

  /** A sub-message. */
  message(what: string): Message {
    return new Message(this.raw(), what);
  }

  /** Appends one integer, or a packed run of them, as protobuf allows either. */
  ints(into: number[]): void {
    if (this.#wire === WireType.Varint) {
      into.push(this.int());
      return;
    }
    const run = new BinaryReader(this.raw());
    this.#guard(() => {
      while (run.pos < run.len) into.push(Number(run.int64()));
    });
  }

  /** Appends the little-endian bytes of one float, or of a packed run of them; `width` is 4 or 8. */
  fixed(into: Uint8Array[], width: 4 | 8): void {
    const reader = this.#reader;
    if (this.#wire === (width === 4 ? WireType.Bit32 : WireType.Bit64)) {
      if (width > reader.len - reader.pos) this.fail(`expected ${width} bytes in field ${this.field}, got ${reader.len - reader.pos}`);
      into.push(this.bytes.subarray(reader.pos, reader.pos + width));
      reader.pos += width;
      return;
    }
    const run = this.raw();
    if (run.length % width !== 0) this.fail(`expected field ${this.field} to hold whole ${width}-byte numbers, got ${run.length} bytes`);
    into.push(run);
  }

  skip(): void {
    this.#guard(() => this.#reader.skip(this.#wire, this.field, MAX_GROUPS));
  }

  fail(problem: string): never {
    throw new FormatError(`onnx: ${this.what}: ${problem}. The file is truncated, damaged or not an ONNX file.`);
  }

  #expect(wire: WireType): void {
    if (this.#wire !== wire) this.fail(`expected wire type ${wire} for field ${this.field}, got ${this.#wire}`);
  }

  /** The reader may run past the end before it notices, and throws errors of its own kind. */
  #guard<T>(read: () => T): T {
    const start = this.#reader.pos;
    let value: T;
    try {
      value = read();
    } catch (error) {
      this.fail(`expected a protobuf field at byte ${start}, got ${error instanceof Error ? error.message : String(error)}`);
    }
    if (this.#reader.pos > this.#reader.len) this.fail(`expected more bytes after byte ${start}, got the end`);
    return value;
  }
}
