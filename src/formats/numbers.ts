/**
 * What the formats share: counting elements before anything is allocated, small float types, and a look for NaN and infinity.
 */
import type { AnyTensor, Shape } from '../tensor.ts';

/** The most elements a value may have: flat indices are i32. */
export const MAX_ELEMENTS = 2 ** 31 - 1;

const MAX_RANK = 32;

/** True where f32 in memory has the byte order of the files, so that elements may be copied whole. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Numbers from a file for a message, the first few of them. */
export function formatList(values: ArrayLike<number>): string {
  const shown = Array.from({ length: Math.min(values.length, 8) }, (_, i) => values[i]).join(', ');
  return values.length > 8 ? `[${shown}, .. ${values.length} in all]` : `[${shown}]`;
}

/**
 * The number of elements of a shape read from a file, or undefined if an extent is not a non-negative integer, the product
 * exceeds {@link MAX_ELEMENTS}, or there are more than 32 extents. Nothing is allocated, and no product overflows on the way.
 */
export function countElements(shape: Shape): number | undefined {
  if (shape.length > MAX_RANK) return undefined;
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) return undefined;
  if (shape.includes(0)) return 0;
  let n = 1;
  for (const extent of shape) {
    if (extent > MAX_ELEMENTS / n) return undefined;
    n *= extent;
  }
  return n;
}

/** An IEEE 754 binary16 as a number, exactly. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest binary16, ties to even; what is too large becomes infinity. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  let exponent = Math.floor(Math.log2(magnitude));
  if (2 ** exponent > magnitude) exponent -= 1;
  else if (2 ** (exponent + 1) <= magnitude) exponent += 1;
  // A fraction that rounds up to 1024 carries into the exponent, which is what the next binade's bits are.
  return sign | (((exponent + 15) << 10) + roundToEven((magnitude / 2 ** exponent - 1) * 1024));
}

function roundToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

const word = new DataView(new ArrayBuffer(4));

/** A bfloat16 as a number, exactly: the upper half of an f32. */
export function bfloat16ToNumber(bits: number): number {
  word.setUint32(0, bits * 65536);
  return word.getFloat32(0);
}

/** A tensor that holds NaN or infinity, and how many. */
export interface NonFinite {
  readonly name: string;
  readonly count: number;
}

/** The tensors that hold NaN or infinity; an empty list is what a healthy model gives. */
export function findNonFinite(tensors: ReadonlyMap<string, AnyTensor>): NonFinite[] {
  const found: NonFinite[] = [];
  for (const [name, { data }] of tensors) {
    if (data instanceof Int32Array) continue;
    let count = 0;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) count += 1;
    if (count > 0) found.push({ name, count });
  }
  return found;
}
