// The generated shaders on disk are what shaders/generate.mjs writes, byte for byte.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

// The script finds conv2d.wgsl beside itself, so it is imported where it lies and not bundled.
const script = pathToFileURL(resolve('shaders/generate.mjs')).href;
const { generate } = (await import(script)) as { generate(): Promise<Record<string, string>> };
const files = await generate();

test('the files in tiles are generated', () =>
  assert.equal(Object.keys(files), [
    'conv2d_tile.wgsl',
    'conv2d_quad.wgsl',
    'conv2d_weight_quad.wgsl',
    'linear_quad.wgsl',
    'conv2d_gemm.wgsl',
    'conv2d_weight_gemm.wgsl',
    'linear_gemm.wgsl',
  ]));

for (const [name, text] of Object.entries(files)) {
  test(`${name} is up to date`, async () => {
    const onDisk = await readFile(resolve('shaders', name), 'utf8');
    assert.ok(onDisk === text, `expected shaders/${name} as generate.mjs writes it. Run: node shaders/generate.mjs`);
  });
}

test('split sums and depthwise convolutions are finished as others are: one text in all', async () => {
  const [whole, ...others] = await Promise.all(
    ['conv2d.wgsl', 'sum.wgsl', 'conv2d_depth.wgsl'].map((name) => readFile(resolve('shaders', name), 'utf8')),
  );
  const finish = (text: string): string => /^struct Finish[^]*?^fn finish\([^]*?^}/m.exec(text)![0];
  for (const other of others) assert.is(finish(other), finish(whole));
});

test.run();
