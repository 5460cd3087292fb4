// The network in weights/: its files are what its card says, and it is worth what its card says.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDataset } from '../../src/data/dataset.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { parsePreprocess, preprocess } from '../../src/image/preprocess.ts';
import { loadModel } from '../../src/models/model.ts';
import { paperNet } from '../../src/models/paper.ts';
import { DEFAULT_MODEL } from '../../src/models/resolve.ts';
import { Network } from '../../src/network.ts';
import { size, type Tensor } from '../../src/tensor.ts';
import { plainBatch } from '../../src/train/batches.ts';
import { Tally } from '../../src/train/tally.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';

const FILE = `weights/${DEFAULT_MODEL}.json`;
const model = await loadModel(FILE);
const card = model.card as Record<string, any>;
const BATCH = 100;

test('the files are those of the card, and small', () => {
  const weights = readFileSync(`weights/${card.weights.file}`);
  assert.is(createHash('sha256').update(weights).digest('hex'), card.weights.sha256);
  assert.is(weights.length, card.weights.bytes);
  assert.ok(weights.length + readFileSync(FILE).length < 8e6);
});

test('the graph is the network of the paper, at the width of the card', () => {
  const { graph, parameters } = model.at();
  const { width, hidden, dropout } = card.training;
  assert.equal(graph, paperNet({ width, hidden, dropout, input: 64, classes: card.labels.length }));
  for (const { name, shape } of graph.parameters) assert.is(parameters.get(name)!.data.length, size(shape));
  assert.equal(model.meanImage!.shape, [3, 64, 64]);
});

test('classes have WordNet ids, one each', () => {
  const { labels } = card;
  assert.is(labels.length, 50);
  assert.ok(labels.every((label: string) => /^n\d{8} \S/.test(label)));
  assert.is(new Set(labels.map((label: string) => label.slice(0, 9))).size, 50);
  assert.ok(labels.includes('n02486410 baboon'));
});

const archive = dataPath('tiny-imagenet-50.tar.gz');
if (!dataPresent) {
  sayMissing('accuracy of the shipped network');
  test.skip('accuracy of the shipped network');
} else {
  test('top-1 and top-5 on the validation images are those of the card', async () => {
    const data = await openDataset(archive, { size: [64, 64] });
    const gpu = await openDevice();
    const { graph, parameters } = model.at({ data: [BATCH, 3, 64, 64] });
    const network = new Network(gpu, graph, parameters);
    try {
      assert.is(data.sha256, card.training.dataSha256);
      assert.equal(data.classes, card.labels);
      const spec = parsePreprocess(card.preprocess, FILE, model.meanImage);
      const [images, mean] = [data.val!, model.meanImage!];
      const tally = new Tally();
      for (let first = 0; first < images.count; first += BATCH) {
        const { x, labels } = plainBatch(images, first, { batch: BATCH, mean, unit: card.preprocess.std[0] });
        if (first === 0) {
          // What training calls an image as it is and what the card's preprocessing makes of it is one thing.
          const pixels = new Uint8Array(3 * 64 * 64);
          images.read(0, pixels);
          const made: Tensor = preprocess({ width: 64, height: 64, data: pixels }, spec).input;
          assert.equal(made.data, x.data.slice(0, made.data.length));
        }
        tally.addScores((await network.scores(x)).data, labels.data, BATCH);
      }
      const got = tally.means();
      const { top1, top5, loss } = card.validation;
      // Another adapter may decide an image or two otherwise, where two classes are level to the last bits.
      assert.is(got.images, 2500);
      assert.ok(Math.abs(got.top1 - top1) * 2500 <= 2 && Math.abs(got.top5 - top5) * 2500 <= 2, JSON.stringify(got));
      assert.ok(Math.abs(got.loss - loss) < 1e-4);
      console.log(
        `measured: shipped network, top-1 ${(100 * got.top1).toFixed(1)} %, top-5 ${(100 * got.top5).toFixed(1)} % of 2500 images`,
      );
    } finally {
      await network.dispose();
      gpu.dispose();
      data.close();
    }
  });
}

test.run();
