// The digest of a tensor: what it is made of, and what changes it.
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashesOf, tensorHash } from '../../src/cli/hashes.ts';
import { writeNpy } from '../../src/formats/index.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { fill, normal } from '../../src/verify/random.ts';

const random = (shape: number[], seed: number): Tensor => ({ shape, data: fill(size(shape), normal(seed)) });

test('it is that of a line and the elements of a .npy file', () => {
  for (const [shape, said] of [
    [[2, 3, 5], 'f32 2x3x5'],
    [[70001], 'f32 70001'],
    [[], 'f32 scalar'],
  ] as const) {
    const tensor = random([...shape], 1);
    const npy = writeNpy(tensor);
    const want = createHash('sha256')
      .update(`${said}\n`)
      .update(npy.subarray(npy.length - 4 * size(shape)))
      .digest('hex');
    assert.is(tensorHash(tensor), want);
    assert.is((npy.length - 4 * size(shape)) % 128, 0);
  }
  // printf 'f32 2\n\0\0\200\077\0\0\0\300' | sha256sum
  assert.is(
    tensorHash({ shape: [2], data: Float32Array.of(1, -2) }),
    createHash('sha256').update(Buffer.from('f32 2\n\x00\x00\x80\x3f\x00\x00\x00\xc0', 'latin1')).digest('hex'),
  );
});

test('one bit, another shape, another type and the sign of a zero change it; where it lies in memory does not', () => {
  const tensor = random([4, 6], 2);
  const one = tensor.data.slice();
  new Uint32Array(one.buffer)[7] ^= 1;
  const all = [
    tensor,
    { shape: [4, 6], data: one },
    { shape: [6, 4], data: tensor.data },
    { shape: [4, 6], data: new Int32Array(tensor.data.buffer) },
    { shape: [1], data: Float32Array.of(0) },
    { shape: [1], data: Float32Array.of(-0) },
  ].map(tensorHash);
  assert.is(new Set(all).size, all.length);
  const behind = new Float32Array(30);
  behind.set(tensor.data, 3);
  assert.is(tensorHash({ shape: [4, 6], data: behind.subarray(3, 27) }), all[0]);
});

test('digests are made only when they are asked for', () => {
  assert.is(
    hashesOf({}, (): [] => {
      throw new Error('asked');
    }),
    undefined,
  );
  const [hash] = hashesOf({ hash: true }, () => [['g', random([2], 3)]])!;
  assert.equal([hash.what, hash.tensor, hash.sha256.length], ['g', 'f32 2', 64]);
});

test.run();
