// A model by its name, from an empty cache to the class on the screen: fetched, verified; the registry makes its input and names classes.
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePng } from '../../src/image/png.ts';
import { buildCommand } from '../command.ts';
import { model, node, valueInfo } from '../onnx-writer.ts';
import { serve, sha256 } from '../server.ts';

const command = await buildCommand();
// Its scores are the means of the input's channels.
const onnx = model({
  nodes: [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['y'])],
  inputs: [valueInfo('x', [1, 3, 4, 4])],
  outputs: [valueInfo('y', [1, 3])],
});
const server = await serve({ body: onnx });
const entry = {
  name: 'average',
  path: 'average.onnx',
  sha256: sha256(onnx),
  bytes: onnx.length,
  labels: ['blue', 'green', 'red'],
  preprocess: { size: [4, 4], fit: 'squash', channels: 'bgr', scale: 1, mean: [10, 20, 30], std: [1, 1, 1] },
};
writeFileSync(command.at('own.json'), JSON.stringify({ sources: [server.url], models: [entry] }));
process.env.BACKLIGHT_CACHE = command.at('cache');
process.env.BACKLIGHT_REGISTRY = command.at('own.json');
delete process.env.BACKLIGHT_MODELS_URL;
test.after(() => server.close());

test('predict --model NAME fetches it, and the registry says how a picture becomes the input and what the classes are called', async () => {
  const picture = { width: 4, height: 4, data: Uint8Array.from({ length: 48 }, (_, i) => [200, 100, 50][i % 3]) };
  writeFileSync(command.at('p.png'), await encodePng(picture, {}));
  const { code, out, err } = await command.run(['predict', '--model', 'average', '--input', 'p.png', '--json']);
  assert.is(code, 0, err);
  assert.match(err, /^average: fetching from http:\/\/127\.0\.0\.1/);
  const { predictions } = JSON.parse(out) as { predictions: { label: string; score: number }[][] };
  assert.equal(
    predictions[0].map(({ label, score }) => [label, score]),
    [
      ['red', 170],
      ['green', 80],
      ['blue', 40],
    ],
  );
  assert.equal(new Uint8Array(readFileSync(command.at('cache', 'models', 'average.onnx'))), onnx);
});

test.run();
