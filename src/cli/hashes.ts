/**
 * `--hash`: a digest of every result, so that two runs can be compared to the bit by eye, across processes and machines.
 *
 * The digest of a tensor is the SHA-256 of one line of ASCII, its element type and extents as in `f32 1x3x224x224` (`scalar` for none) with a line feed
 * behind it, followed by its elements in row-major order, four bytes each, little-endian. Bits count: 0 and -0 are apart, and so are NaNs of different
 * bits. A `.npy` file of the tensor holds the same elements behind its header of 128 bytes, so that
 *
 *     (echo f32 1x3x224x224; tail -c +129 g.npy) | sha256sum
 *
 * gives the same digest.
 */
import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import { EngineError } from '../errors.ts';
import { formatShape, size, type AnyTensor } from '../tensor.ts';

export interface HashArguments {
  readonly hash?: boolean;
}

/** A result and its digest, in hexadecimal. */
export interface ResultHash {
  readonly what: string;
  readonly tensor: string;
  readonly sha256: string;
}

export function withHashOption(command: Command): Command {
  return command.option('--hash', 'print the SHA-256 of every result, to compare runs to the bit; with --json in the report');
}

/** `f32 1x3x224x224`: what a tensor is, and the line that its digest begins with. */
const kindOf = ({ shape, data }: AnyTensor): string => `${data instanceof Int32Array ? 'i32' : 'f32'} ${formatShape(shape)}`;

/**
 * See the head of this file.
 * @throws EngineError if the elements do not fill the shape: the digest would not be that of a tensor
 */
export function tensorHash(tensor: AnyTensor): string {
  if (tensor.data.length !== size(tensor.shape))
    throw new EngineError(`hash: expected ${size(tensor.shape)} elements for ${formatShape(tensor.shape)}, got ${tensor.data.length}.`);
  const hash = createHash('sha256').update(`${kindOf(tensor)}\n`);
  const words = new Uint32Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length);
  // In parts, so that the copy stays small.
  const most = 2 ** 16;
  for (let from = 0; from < words.length; from += most) {
    const part = words.subarray(from, from + most);
    const bytes = new DataView(new ArrayBuffer(4 * part.length));
    part.forEach((word, i) => bytes.setUint32(4 * i, word, true));
    hash.update(new Uint8Array(bytes.buffer));
  }
  return hash.digest('hex');
}

/** The digests of results, if they were asked for; undefined leaves them out of a report. */
export function hashesOf(
  { hash }: HashArguments,
  results: () => Iterable<readonly [what: string, tensor: AnyTensor]>,
): ResultHash[] | undefined {
  if (!hash) return undefined;
  return [...results()].map(([what, tensor]) => ({ what, tensor: kindOf(tensor), sha256: tensorHash(tensor) }));
}

/** A line for each: `sha256 HEX WHAT, f32 1x3x224x224`. */
export function printHashes(hashes: readonly ResultHash[] | undefined): void {
  for (const { what, tensor, sha256 } of hashes ?? []) console.log(`sha256 ${sha256} ${what}, ${tensor}`);
}
