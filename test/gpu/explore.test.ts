// The layer explorer without a browser: its table, maps, units and descents against the engine's own answers, and against what they mean.
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MANDRILL } from '../../src/cli/demoPhotos.ts';
import { DeviceLostError } from '../../src/errors.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { typeGraph } from '../../src/graph.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { pictureSpec } from '../../src/image/modelInput.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { receptiveFields } from '../../src/inspect/field.ts';
import { inspect } from '../../src/inspect/inspect.ts';
import { forwardTimes, layerTable, quantumOf } from '../../src/lab/worker/exploreLayers.ts';
import { drawTiles, layerTensor, type MapKind } from '../../src/lab/worker/exploreMaps.ts';
import type { Subject, Watch } from '../../src/lab/worker/exploreSubject.ts';
import { traceUnit } from '../../src/lab/worker/exploreUnit.ts';
import { drawUnit } from '../../src/lab/worker/exploreUnitSheet.ts';
import { descend, gridOf, OTHERS } from '../../src/lab/worker/exploreWalk.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network } from '../../src/network.ts';
import { RULES } from '../../src/rule.ts';
import { norm, type Tensor } from '../../src/tensor.ts';

const gpu = await openDevice({ adapter: 'software' });
const photo = await decodeImage(await MANDRILL.bytes());
const watch: Watch = { signal: new AbortController().signal, report: () => {} };

async function subjectOf(file: string, preset?: string) {
  const model = await loadModel(file);
  const spec = pictureSpec(model, { preprocess: preset });
  const { input, geometry } = preprocess(photo, spec);
  const { graph, parameters } = model.at({ [model.input.name]: input.shape });
  return { subject: { gpu, typed: typeGraph(graph), parameters, input } satisfies Subject, geometry, spec };
}

const { subject, geometry, spec } = await subjectOf('weights/paper-mini.json');
const { typed, parameters, input } = subject;
const network = new Network(gpu, typed.graph, parameters);
const bits = ({ data }: Pick<Tensor, 'data'>): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);

test('the table has a row for each node, with the numbers of the inspector, under rules of single layers too', async () => {
  const rule = { relu: 'guided', maxpool: 'last', at: { relu7: 'linear' } } as const;
  const table = await layerTable(subject, { class: 3, rule }, watch);
  const { layers, value, input: at } = await inspect(gpu, typed.graph, parameters, input, { target: 3, rule });
  assert.equal(
    table.rows.map(({ node }) => node),
    typed.nodes.map(({ name }) => name),
  );
  assert.is(table.score, value);
  assert.is(table.input.signal.norm, Math.sqrt(at.signal.l2Squared));
  for (const layer of layers) {
    const row = table.rows.find(({ node }) => node === layer.node)!;
    assert.is(row.value!.norm, Math.sqrt(layer.value.l2Squared));
    assert.is(row.signal?.norm, layer.signal ? Math.sqrt(layer.signal.l2Squared) : undefined);
    assert.is(row.gate?.active, layer.gate?.active);
    assert.is(row.windows?.tied, layer.windows?.tied);
  }
  assert.equal(table.rows.find(({ node }) => node === 'flat5')!.from, ['pool5']);
  assert.is(table.rows.find(({ node }) => node === 'flat5')!.value, null);
  assert.equal(table.rows[0].from, [typed.graph.inputs[0].name]);
});

test('every layer is timed, and the clock is let go', async () => {
  const times = (await forwardTimes(subject, watch))!;
  assert.ok(times.runs >= 1);
  for (const { node, value } of (await layerTable(subject, { class: 0, rule: {} }, watch)).rows) {
    if (value) assert.ok(times.ms[node] >= 0, node);
    else assert.not.ok(Object.hasOwn(times.ms, node), node);
  }
  assert.ok((await forwardTimes(subject, watch)) !== null);
});

test('a clock that is told in steps shows', () => {
  const steps = (...ms: number[]) => ms.map((end) => ({ begin: 0, end }));
  assert.is(quantumOf(steps(0, 0.065536, 0.131072, 0.65536)), 0.065536);
  assert.is(quantumOf(steps(0.065536, 0.1)), null);
  assert.is(quantumOf(steps(0.000032, 0.000064)), null);
  assert.is(quantumOf([]), null);
});

test('who gives up is let go at the next layer', async () => {
  const gone = new AbortController();
  const seen: number[] = [];
  const watching: Watch = {
    signal: gone.signal,
    report: ({ done }) => {
      seen.push(done);
      if (done === 3) gone.abort();
    },
  };
  for (const ask of [
    () => layerTable(subject, { class: 0, rule: {} }, watching),
    () => descend(subject, { class: 0, rule: {}, against: 'linear' }, watching),
    () => traceUnit(subject, { layer: 'relu3', unit: [0, 0, 0], rule: {} }, watching),
  ]) {
    await ask().then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.name, 'AbortError'),
    );
  }
  assert.equal(seen, [1, 2, 3]);
});

test('a device that is lost on the way is told, and nothing waits for it', async () => {
  for (const ask of [
    layerTable,
    (on: Subject, _: object, watching: Watch) => descend(on, { class: 0, rule: {}, against: 'guided' }, watching),
  ]) {
    const lost = await openDevice({ adapter: 'software' });
    const watching: Watch = {
      signal: new AbortController().signal,
      report: ({ done }) => {
        if (done === 5) lost.device.destroy();
      },
    };
    await ask({ ...subject, gpu: lost }, { class: 0, rule: {} }, watching).then(
      () => assert.unreachable(),
      (error: unknown) => assert.instance(error, DeviceLostError),
    );
  }
});

test('tensors of a layer are those of the network', async () => {
  const { layers } = await network.gradient(input, { target: 7, rule: 'guided', through: ['relu2'] });
  const asked = { class: 7, rule: { relu: 'guided' }, layer: 'relu2' } as const;
  const { value, signal } = layers.get('relu2')!;
  const got = async (kind: MapKind) => (await layerTensor(subject, { ...asked, kind }, watch)).tensor;
  assert.equal(bits((await got('value')) as Tensor), bits(value));
  assert.equal(bits((await got('signal')) as Tensor), bits(signal));
  assert.equal(
    [...(await got('mask')).data],
    Array.from(value.data, (v) => Number(v > 0)),
  );
  const pool = await layerTensor(subject, { ...asked, layer: 'pool2', kind: 'switches' }, watch);
  assert.is(pool.places, 9);
  for (const [layer, kind, message] of [
    ['conv2', 'mask', /expected/],
    ['nowhere', 'value', /expected a layer of the network, got "nowhere"/],
  ] as const) {
    await layerTensor(subject, { ...asked, layer, kind }, watch).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, message),
    );
  }
});

test('tiles: every value at its place, in one range or each in its own', () => {
  // Three channels of 1 x 2: the third is ten times as large.
  const tensor: Tensor = { shape: [1, 3, 1, 2], data: Float32Array.of(0, 1, 1, 0, 10, 5) };
  const red = ({ picture: { data, width } }: ReturnType<typeof drawTiles>, x: number, y: number): number[] => [
    ...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4),
  ];
  const shared = drawTiles({ layer: 'made up', kind: 'value', tensor }, { scale: 'shared', pages: 1 });
  assert.equal([shared.columns, shared.picture.width, shared.picture.height, shared.shown], [2, 5, 3, 3]);
  assert.equal(red(shared, 0, 2), [255, 255, 255, 255]);
  assert.equal(red(shared, 0, 0), [0, 0, 0, 255]);
  assert.ok(red(shared, 1, 0)[0] < 60 && red(shared, 1, 0)[0] > 0);
  // Between tiles, and where there is none, there is nothing.
  assert.equal([red(shared, 2, 0)[3], red(shared, 0, 1)[3], red(shared, 4, 2)[3]], [0, 0, 0]);
  const each = drawTiles({ layer: 'made up', kind: 'value', tensor }, { scale: 'own', pages: 1 });
  assert.equal(red(each, 1, 0), [255, 255, 255, 255]);
  assert.equal(each.strongest, [2, 0, 0]);
  const many: Tensor = { shape: [1, 100, 2, 2], data: new Float32Array(400) };
  assert.is(drawTiles({ layer: 'made up', kind: 'value', tensor: many }, { scale: 'shared', pages: 1 }).shown, 64);
  assert.is(drawTiles({ layer: 'made up', kind: 'value', tensor: many }, { scale: 'shared', pages: 2 }).shown, 100);
});

for (const [layer, unit] of [
  ['relu2', [5, 7, 4]],
  ['pool5', [0, 1, 2]],
  ['fc7', [13]],
] as const) {
  test(`a unit of ${layer}: its signals are the network's, and its field is where the linear rule reaches`, async () => {
    const at = { norm2: 'identity' };
    const traced = await traceUnit(subject, { layer, unit, rule: { maxpool: 'last', at } }, watch);
    for (const relu of RULES) {
      const { gradient, values } = await network.gradient(input, {
        neuron: { tensor: layer, at: unit },
        rule: { relu, maxpool: 'last', at },
      });
      assert.equal(bits(traced.trace.signals[relu]), bits(gradient), relu);
      assert.is(traced.trace.value, values[0]);
    }
    const sheet = drawUnit(traced, input, { photo, geometry, spec }, { scale: 'shared', clip: 99.5 });
    assert.equal([...sheet.at], [...unit]);
    const flat = traced.trace.unit;
    const [, , [y0, y1], [x0, x1]] = receptiveFields(typed, layer, flat, () => 'gradient').get('data')!;
    assert.equal(sheet.field, { x0, y0, x1, y1 });
    // Without a nonlinearity in the way: pools take one cell of each window, so that every weight counts but few cells do.
    const { gradient } = await network.gradient(input, {
      neuron: { tensor: layer, at: unit },
      rule: { relu: 'linear', maxpool: 'all-ties' },
    });
    const [, , height, width] = gradient.shape;
    gradient.data.forEach((v, i) => {
      const [y, x] = [Math.floor(i / width) % height, i % width];
      if (v !== 0) assert.ok(y >= y0 && y < y1 && x >= x0 && x < x1, `${y},${x} outside`);
    });
    // The photo is twice as large as the input.
    const scale = photo.width / width;
    assert.equal(sheet.photoField, { x0: x0 * scale, y0: y0 * scale, x1: x1 * scale, y1: y1 * scale });
    assert.is(new Set(sheet.rules.map(({ high }) => high)).size, 1);
    for (const { windows, wonBy, tied, zero } of sheet.winners) {
      assert.is(
        wonBy.reduce((a, b) => a + b, 0),
        windows,
      );
      assert.ok(zero <= windows && tied <= windows);
    }
    assert.equal(
      sheet.winners.map(({ node }) => node),
      sheet.layers.filter(({ op }) => op === 'maxpool2d').map(({ node }) => node),
    );
  });
}

test('winners in the field of one unit behind a pool: its window alone', async () => {
  const { winners, trace } = await traceUnit(subject, { layer: 'pool1', unit: [3, 5, 5], rule: {} }, watch);
  assert.equal([winners.length, winners[0].windows], [1, 1]);
  const { tensor } = await layerTensor(subject, { layer: 'pool1', kind: 'switches', class: 0, rule: {} }, watch);
  assert.is(winners[0].wonBy[tensor.data[trace.unit]], 1);
});

test('rules of single layers are obeyed by what each gate passes', async () => {
  const question = { layer: 'conv5', unit: [2, 3, 3], rule: {} };
  const free = await traceUnit(subject, question, watch);
  const bound = await traceUnit(subject, { ...question, rule: { at: { relu4: 'linear' } } }, watch);
  const gate = ({ trace: { layers } }: typeof free) => layers.find(({ node }) => node === 'relu4')!.rules!;
  assert.ok(gate(free).gradient.passed.units < gate(free).gradient.arriving.units);
  assert.equal(gate(bound).gradient.passed, gate(bound).gradient.arriving);
});

for (const against of OTHERS) {
  test(`the way down, gradient beside ${against}: norms of the inspector, one signal down to the first ReLU`, async () => {
    const down = await descend(subject, { class: 2, rule: { maxpool: 'last' }, against }, watch);
    const [{ node: top }] = down.stops;
    assert.equal([top, down.stops.at(-1)!.node], ['fc8', 'data']);
    for (const [relu, arriving] of [
      ['gradient', down.gradient],
      [against, down.other],
    ] as const) {
      const { layers, input: at } = await inspect(gpu, typed.graph, parameters, input, { target: 2, rule: { relu, maxpool: 'last' } });
      down.stops.forEach(({ node }, i) => {
        const signal = node === 'data' ? at.signal : layers.find((layer) => layer.node === node)!.signal!;
        assert.ok(Math.abs(arriving[i].norm - Math.sqrt(signal.l2Squared)) <= 1e-12 * arriving[i].norm, node);
        assert.is(Math.round(arriving[i].reached * signal.elements), signal.positive + signal.negative);
      });
    }
    // The topmost ReLU is relu7: what arrives at its output has come by none.
    const first = down.stops.findIndex(({ node }) => node === 'relu7');
    down.stops.forEach(({ node }, i) => {
      const { differing, cosine } = down.other[i];
      if (i > first) return assert.ok(differing > 0 && cosine! < 1 && cosine! > -1, node);
      assert.is(differing, 0);
      assert.ok(Math.abs(cosine! - 1) < 1e-12);
      assert.equal(bits({ data: down.gradient[i].sum }), bits({ data: down.other[i].sum }));
    });
    // The reduced maps, against the signal itself.
    const { gradient } = await network.gradient(input, { target: 2, rule: { relu: against, maxpool: 'last' } });
    const plane = gradient.data.length / 3;
    const { sum, fold } = down.other.at(-1)!;
    for (let i = 0; i < plane; i++) {
      const [a, b, c] = [0, 1, 2].map((k) => gradient.data[k * plane + i]);
      assert.is(sum[i], Math.fround(a + b + c));
      assert.is(fold[i], Math.fround(Math.sqrt(a * a + b * b + c * c)));
    }
    assert.ok(Math.abs(down.other.at(-1)!.norm - norm(gradient)) < 1e-12 * norm(gradient));
  });
}

test('units without a place are laid out in rows', () => {
  assert.equal(gridOf([1, 50]), [7, 8]);
  assert.equal(gridOf([1, 512, 1, 1]), [23, 23]);
  assert.equal(gridOf([1, 3, 5, 7]), [5, 7]);
});

test('a rule set for one layer is kept under every rule', async () => {
  const all = Object.fromEntries(typed.nodes.filter(({ op }) => op === 'relu').map(({ name }) => [name, 'gradient']));
  const { other } = await descend(subject, { class: 2, rule: { at: all }, against: 'linear' }, watch);
  assert.ok(other.every(({ differing }) => differing === 0));
});

const GOOGLENET = '../shared/data/models/googlenet.onnx';
if (existsSync(GOOGLENET)) {
  test('GoogLeNet: every layer, a unit in a branch, and the way down in a memory that does not grow with it', async () => {
    const large = await subjectOf(GOOGLENET, 'caffe');
    const started = performance.now();
    const table = await layerTable(large.subject, { class: 372, rule: {} }, watch);
    const afterTable = performance.now();
    const down = await descend(large.subject, { class: 372, rule: {}, against: 'guided' }, watch);
    const afterDescent = performance.now();
    const kept = [...down.gradient, ...down.other].reduce((bytes, { sum, fold }) => bytes + sum.byteLength + fold.byteLength, 0);
    const concat = table.rows.find(({ op }) => op === 'concat')!;
    assert.is(concat.from.length, 4);
    const maps = await layerTensor(large.subject, { layer: concat.node, kind: 'value', class: 372, rule: {} }, watch);
    const unit = drawTiles(maps, { scale: 'shared', pages: 1 }).strongest;
    const traced = await traceUnit(large.subject, { layer: concat.node, unit, rule: {} }, watch);
    const sheet = drawUnit(
      traced,
      large.subject.input,
      { photo, geometry: large.geometry, spec: large.spec },
      { scale: 'own', clip: 99.5 },
    );
    console.log(
      `measured: googlenet, ${table.rows.length} layers: table ${((afterTable - started) / 1000).toFixed(1)} s, two ways down ${((afterDescent - afterTable) / 1000).toFixed(1)} s, ` +
        `a unit ${((performance.now() - afterDescent) / 1000).toFixed(1)} s, maps kept ${(kept / 1e6).toFixed(1)} MB`,
    );
    assert.ok(kept < 8e6);
    assert.ok(down.stops.length > 100);
    assert.ok(sheet.open.pixels > 0 && sheet.open.pixels <= sheet.open.of);
    const reached = traced.trace.signals.linear.data;
    const { x0, y0, x1, y1 } = sheet.field;
    reached.forEach((v, i) => {
      const [y, x] = [Math.floor(i / 224) % 224, i % 224];
      if (v !== 0) assert.ok(y >= y0 && y < y1 && x >= x0 && x < x1);
    });
  });
} else console.log('skipped: GoogLeNet is not there (shared/data/models)');

test.after(async () => {
  await network.dispose();
  gpu.dispose();
});
test.run();
