// Evaluation as a library: numbers that do not depend on the batch, and errors that name the image.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Annotation } from '../../src/evaluate/annotation.ts';
import type { Item } from '../../src/evaluate/batches.ts';
import { evaluateClassification } from '../../src/evaluate/classification.ts';
import { evaluateLocalisation, type LocalisationOptions } from '../../src/evaluate/localisation.ts';
import { parseMethods } from '../../src/evaluate/methods.ts';
import type { BoxRow } from '../../src/evaluate/rows.ts';
import { Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import { size } from '../../src/tensor.ts';
import { annotations, atBatch, collect, gpu, graph, items, options, parameters, sameRows, shapes, SIDE, spec } from './evaluationSet.ts';

for (const classes of ['given', 'top1', 'top5'] as const) {
  test(`localisation, class ${classes}: the batch changes no number, under any rule`, async () => {
    const run = (batch: number): Promise<BoxRow[]> =>
      atBatch(batch, (network) => evaluateLocalisation(network, items, options({ classes, rules: RULES })));
    const one = await run(1);
    assert.equal(
      one.map(({ index }) => index),
      items.map(({ index }) => index),
    );
    for (const batch of [4, 5, 11]) sameRows(await run(batch), one, `batch ${batch}`);
  });
}

test('the classes that are tried are those asked for, and only the true one can hit', async () => {
  const by = async (classes: LocalisationOptions['classes']): Promise<BoxRow[]> =>
    atBatch(4, (network) => evaluateLocalisation(network, items, options({ classes, rules: ['gradient'] })));
  const [given, top1, top5] = [await by('given'), await by('top1'), await by('top5')];
  const scores = await atBatch(3, (network) => evaluateClassification(network, items, spec));
  for (const [k, row] of given.entries()) {
    assert.equal(row.top5, scores[k].top5);
    assert.equal(row.scores, scores[k].scores);
    const tried = (of: BoxRow, m: number): number[] => of.results[m].attempts.map((attempt) => attempt.class);
    for (const m of row.results.keys()) {
      const name = `${row.image}, ${row.results[m].method}`;
      assert.equal(tried(row, m), [row.class], name);
      assert.equal(tried(top1[k], m), row.top5.slice(0, 1), name);
      assert.equal(tried(top5[k], m), row.top5, name);
      // The map of a class is the same whoever asks for it.
      const rank = row.top5.indexOf(row.class);
      if (rank >= 0) assert.equal(top5[k].results[m].attempts[rank], row.results[m].attempts[0], name);
      assert.is(top5[k].results[m].hit, rank >= 0 && row.results[m].hit, name);
      assert.is(top1[k].results[m].hit, rank === 0 && row.results[m].hit, name);
      assert.is(row.results[m].hit, row.results[m].attempts[0].iou >= 0.5, name);
    }
    for (const { rule, hit, attempts } of row.pointing) assert.is(hit, attempts[0].distance! <= 4, String(rule));
  }
});

test('GraphCut: the batch changes no box, on either kind of map', async () => {
  const run = (batch: number): Promise<BoxRow[]> =>
    atBatch(batch, (network) =>
      evaluateLocalisation(network, items.slice(0, 5), options({ rules: ['gradient'], methods: parseMethods(['graphcut']) })),
    );
  const one = await run(1);
  assert.ok(one.some(({ results }) => results.some(({ attempts }) => attempts[0].box !== null)));
  sameRows(await run(3), one);
});

test('methods that look at no map cost no gradient, and are the same with others beside them', async () => {
  const run = (methods: readonly string[]): Promise<BoxRow[]> =>
    atBatch(4, (network) => evaluateLocalisation(network, items, options({ methods: parseMethods(methods) })));
  const [alone, beside] = [await run(['centre', 'whole']), await run(['mean:2', 'centre', 'whole'])];
  sameRows(
    alone.map(({ results }) => results),
    beside.map(({ results }) => results.filter(({ rule }) => rule === null)),
  );
  assert.ok(alone.every(({ pointing }) => pointing.length === 0));
});

test("a row's numbers, by plain loops over the gradient", async () => {
  // A picture of the input's own size: the map lies on it pixel by pixel.
  const [h, w] = SIDE;
  const picture = { width: w, height: h, data: Uint8Array.from({ length: 3 * h * w }, (_, i) => (i * 53) % 256) };
  const truth = { x0: 3, y0: 2, x1: 20, y1: 19 };
  const annotation: Annotation = { image: 'own', class: 4, extent: [h, w], boxes: [truth] };
  const network = new Network(gpu, graph, parameters);
  try {
    const changes = { rules: ['guided'], maps: ['saliency'], methods: parseMethods(['mean:1.5', 'pointing']) } as const;
    const [row] = await collect(evaluateLocalisation(network, [{ index: 0, annotation, load: async () => picture }], options(changes)));
    const x = new Float32Array(3 * h * w);
    for (let c = 0; c < 3; c++) for (let i = 0; i < h * w; i++) x[c * h * w + i] = (picture.data[3 * i + c] / 255 - 0.4) / 0.2;
    const { gradient, scores } = await network.gradient({ shape: [1, 3, ...SIDE], data: x }, { target: 4, rule: 'guided' });
    const map = Array.from({ length: h * w }, (_, i) => Math.max(...[0, 1, 2].map((c) => Math.abs(gradient.data[c * h * w + i]))));
    const mean = map.reduce((a, b) => a + b, 0) / map.length;
    const kept = [...map.keys()].filter((i) => map[i] >= 1.5 * mean);
    const [columns, lines] = [kept.map((i) => i % w), kept.map((i) => Math.floor(i / w))];
    const box = [Math.min(...columns), Math.min(...lines), Math.max(...columns) + 1, Math.max(...lines) + 1];
    const both = (Math.min(box[2], truth.x1) - Math.max(box[0], truth.x0)) * (Math.min(box[3], truth.y1) - Math.max(box[1], truth.y0));
    const iou = both / ((box[2] - box[0]) * (box[3] - box[1]) + 17 * 17 - both);
    const [{ attempts, hit }] = row.results;
    assert.equal([attempts[0].box, attempts[0].iou, hit], [box, Number(iou.toFixed(6)), iou >= 0.5]);
    const peak = map.indexOf(Math.max(...map));
    assert.equal(row.pointing[0].attempts[0].at, [peak % w, Math.floor(peak / w)]);
    assert.equal(row.pointing[1], { map: null, rule: null, hit: true, attempts: [{ class: 4, at: [11.5, 9.5], distance: 0 }] });
    assert.is(
      row.top5[0],
      [...scores!.data.keys()].reduce((best, k) => (scores!.data[k] > scores!.data[best] ? k : best), 0),
    );
  } finally {
    await network.dispose();
  }
});

test('the map lies where the input was cut out, and is zero outside', async () => {
  // A cut of 20 x 24 at row 5, column 7 of a picture of 40 x 40: no threshold box may leave it.
  const picture = { width: 40, height: 40, data: Uint8Array.from({ length: 4800 }, (_, i) => (i * 37) % 251) };
  const annotation: Annotation = { image: 'cut', class: 2, extent: [80, 80], boxes: [{ x0: 14, y0: 10, x1: 62, y1: 50 }] };
  const [row] = await atBatch(1, (network) =>
    evaluateLocalisation(
      network,
      [{ index: 0, annotation, load: async () => picture }],
      options({
        preprocess: { ...spec, fit: 'crop', resize: 40, cut: [5, 7] },
        methods: parseMethods(['energy:1']),
        rules: ['gradient'],
        maps: ['saliency'],
      }),
    ),
  );
  assert.equal(row.truth, [[7, 5, 31, 25]]);
  assert.equal(row.results[0].attempts[0].box, [7, 5, 31, 25]);
  assert.is(row.results[0].attempts[0].iou, 1);
});

test('errors name the image: no such class, no box, a gradient that is not finite', async () => {
  const rejected = async (changed: readonly Item[], message: RegExp, given = parameters): Promise<void> => {
    const network = new Network(gpu, graph, given);
    try {
      await collect(evaluateLocalisation(network, changed, options({ rules: ['gradient'], methods: parseMethods(['mean:2']) })));
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, message);
    } finally {
      await network.dispose();
    }
  };
  await rejected([{ ...items[0], annotation: { ...annotations[0], class: 99 } }], /expected classes in \[0, 6\], got 99/);
  await rejected([{ ...items[0], annotation: { ...annotations[0], boxes: [] } }], /a true box for every image, got none for "p0\.png"/);
  await rejected([{ ...items[0], load: () => Promise.reject(new Error('no picture')) }], /no picture/);
  const broken = new Map([...parameters, ['w1', { shape: shapes.w1, data: new Float32Array(size(shapes.w1)).fill(NaN) }]]);
  await rejected(items, /not finite|finite gradients, got NaN or infinity under the rule gradient for "p0\.png"/, broken);
});

test.run();
