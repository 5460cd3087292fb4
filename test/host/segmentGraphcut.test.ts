/** GraphCut from map to box: energy by hand, meaning, degenerate maps and pictures, options. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import type { Picture } from '../../src/image/picture.ts';
import { colourOdds, contrast, cutNetwork } from '../../src/segment/energy.ts';
import { iou, massBox, maskBox } from '../../src/segment/box.ts';
import type { Mixture } from '../../src/segment/gmm.ts';
import { graphCut, type GraphCut } from '../../src/segment/graphcut.ts';
import { cutCapacity, minCut } from '../../src/segment/maxflow.ts';
import { GRAPHCUT_PRESETS, graphCutOptions, PRESET_NAMES, type GraphCutOptions } from '../../src/segment/presets.ts';
import { uniform } from '../../src/random.ts';
import { tensor, zeros, type Tensor } from '../../src/tensor.ts';

const LAB = GRAPHCUT_PRESETS['boykov-jolly'];
const near = (got: number, want: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)), `expected ${want}, got ${got}`);
const sum = (mask: Uint8Array): number => mask.reduce((a, b) => a + b, 0);

/** A red disc on noisy blue, with a map that is high at the disc's middle. */
function disc(width: number, height: number, cx: number, cy: number, r: number): { picture: Picture; map: Tensor; truth: Uint8Array } {
  const next = uniform(9);
  const data = new Uint8Array(3 * width * height);
  const [map, truth] = [new Float32Array(width * height), new Uint8Array(width * height)];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const distance = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
      truth[i] = distance < r ? 1 : 0;
      const colour = truth[i] ? [200, 60, 50] : [50, 80, 190];
      for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(colour[c] + 40 * (next() - 0.5));
      map[i] = Math.exp(-((distance / (0.5 * r)) ** 2)) + 0.001 * next();
    }
  }
  return { picture: { width, height, data }, map: tensor([height, width], map), truth };
}

/** Columns in reverse. */
function flip({ picture, map, truth }: ReturnType<typeof disc>): ReturnType<typeof disc> {
  const { width, height } = picture;
  const from = (i: number): number => Math.floor(i / width) * width + width - 1 - (i % width);
  return {
    picture: { width, height, data: picture.data.map((_, b) => picture.data[3 * from(Math.floor(b / 3)) + (b % 3)]) },
    map: { shape: map.shape, data: map.data.map((_, i) => map.data[from(i)]) },
    truth: truth.map((_, i) => truth[from(i)]),
  };
}

test('contrast by hand, and on a picture of one colour', () => {
  const colours = Float64Array.of(0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 12);
  const edge = { weight: 150, sharpness: 2, connectivity: 4 } as const;
  // Squared distances: right 9, 160; down 16, 153.
  const { weights, from, to } = contrast(colours, 2, 2, edge);
  const mean = (9 + 160 + 16 + 153) / 4;
  assert.equal(
    [...from].map((i, e) => [i, to[e]]),
    [
      [0, 1],
      [2, 3],
      [0, 2],
      [1, 3],
    ],
  );
  [9, 160, 16, 153].forEach((d, e) => near(weights[e], 150 * Math.exp((-2 * d) / mean)));
  // Eight neighbours: two diagonals, at distance sqrt 2, count in the mean too.
  const eight = contrast(colours, 2, 2, { weight: 50, sharpness: 0.5, connectivity: 8 });
  const all = [9, 160, 16, 153, 144, 25];
  const beta = 0.5 / (all.reduce((a, b) => a + b) / 6);
  all.forEach((d, e) => near(eight.weights[e], (50 * Math.exp(-beta * d)) / (e < 4 ? 1 : Math.SQRT2)));
  assert.ok(contrast(new Float64Array(12).fill(7), 2, 2, edge).weights.every((w) => w === 150));
  assert.is(contrast(Float64Array.of(1, 2, 3), 1, 1, edge).weights.length, 0);
});

test('unary terms by hand: uniform share, posterior, cap, clamps, rounding', () => {
  const mixture = (mean: number): Mixture => [{ weight: 1, mean: [mean, mean, mean], covariance: [400, 0, 0, 400, 0, 400] }];
  const colours = Float64Array.of(100, 100, 100, 130, 130, 130, 0, 0, 0);
  const odds = colourOdds(colours, mixture(100), mixture(150), 0.05);
  // In units of 0..1, where the uniform density is 1, as the package has it.
  const density = (value: number, mean: number): number =>
    0.05 + (0.95 * Math.exp((-3 * (value - mean) ** 2) / 800)) / ((2 * Math.PI) ** 1.5 * (20 / 255) ** 3);
  [100, 130, 0].forEach((value, i) => near(odds[i], Math.log(density(value, 100) / density(value, 150))));
  const network = cutNetwork(odds, null, contrast(colours, 3, 1, LAB.pairwise), LAB);
  odds.forEach((u, i) => {
    const p = 1 / (1 + Math.exp(-u));
    assert.is(network.toSink[i], Math.round(50 * -Math.log(p)));
    assert.is(network.fromSource[i], Math.round(50 * -Math.log(1 - p)));
  });
  const clamped = cutNetwork(Float64Array.of(1e9, 0, 0), Uint8Array.of(0, 1, 2), contrast(colours, 3, 1, LAB.pairwise), LAB);
  assert.equal([...clamped.fromSource], [50 * 100, 50 * 2000, 0]);
  assert.equal([...clamped.toSink], [0, 0, 50 * 2000]);
});

test('the energy that is cut is the energy: brute force on 4x3 pixels', () => {
  const next = uniform(5);
  for (let trial = 0; trial < 20; trial++) {
    const colours = Float64Array.from({ length: 36 }, () => 255 * next());
    const odds = Float64Array.from({ length: 12 }, () => 8 * (next() - 0.5));
    const options: GraphCutOptions = {
      ...LAB,
      pairwise: { weight: 3 * next(), sharpness: 1, connectivity: trial % 2 === 0 ? 4 : 8 },
      scale: 1e6,
    };
    const { from, to, weights } = contrast(colours, 4, 3, options.pairwise);
    const energy = (side: (i: number) => number): number => {
      let cost = 0;
      for (let i = 0; i < 12; i++) cost += Math.log1p(Math.exp(side(i) ? -odds[i] : odds[i]));
      for (let e = 0; e < from.length; e++) cost += side(from[e]) === side(to[e]) ? 0 : weights[e];
      return cost;
    };
    let least = Infinity;
    for (let bits = 0; bits < 4096; bits++)
      least = Math.min(
        least,
        energy((i) => (bits >> i) & 1),
      );
    const network = cutNetwork(odds, null, { from, to, weights }, options);
    const cut = minCut(network);
    near(
      energy((i) => cut.source[i]),
      least,
      1e-5,
    );
    near(cut.flow / 1e6, least, 1e-4);
    assert.is(cutCapacity(network, cut.source), cut.flow);
  }
});

test('a disc on noise is found exactly, by every preset', () => {
  const scene = disc(120, 90, 52, 41, 22);
  for (const preset of PRESET_NAMES) {
    const found = graphCut(scene.picture, scene.map, { ...GRAPHCUT_PRESETS[preset], side: null });
    assert.equal(found.component, scene.truth, preset);
    const { box } = GRAPHCUT_PRESETS[preset];
    assert.equal(found.box, box === 'extent' ? maskBox(scene.truth, 120, 90) : massBox(scene.truth, 120, 90, box.mass));
    assert.is(found.reason, null);
    assert.is(found.certificate!.flow, found.certificate!.cut);
    assert.equal([...found.size], [90, 120]);
    // At the preset's own size the edge may move by a pixel.
    assert.ok(iou(graphCut(scene.picture, scene.map, preset).box!, found.box!) > 0.9, preset);
  }
});

test('mirrored pictures have mirrored objects', () => {
  for (const preset of PRESET_NAMES) {
    const scene = disc(75, 61, 30, 33, 14);
    const { pairwise } = GRAPHCUT_PRESETS[preset];
    // A start that draws at random sees the pixels in another order: it is replaced.
    const mixture = { ...GRAPHCUT_PRESETS[preset].mixture!, start: 'binary-split' } as const;
    const options: GraphCutOptions = { ...GRAPHCUT_PRESETS[preset], mixture, pairwise: { ...pairwise, weight: 2 } };
    const straight = graphCut(scene.picture, scene.map, options);
    const mirrored = flip(scene);
    const turned = graphCut(mirrored.picture, mirrored.map, options);
    assert.ok(sum(straight.component) > 0);
    // Sums over pixels in another order differ in the last bit, which a rounded capacity may show: no more than a few pixels.
    const back = flip({ ...mirrored, truth: turned.mask }).truth;
    const parted = straight.mask.reduce((count, side, i) => count + (side === back[i] ? 0 : 1), 0);
    assert.ok(parted <= 2, `${preset}: ${parted} pixels differ`);
  }
});

test('the same call gives the same result; a seed changes only what is random', () => {
  const scene = disc(60, 50, 25, 25, 12);
  for (const preset of PRESET_NAMES) {
    assert.equal(graphCut(scene.picture, scene.map, preset, { seed: 3 }), graphCut(scene.picture, scene.map, preset, { seed: 3 }));
  }
  assert.equal(
    graphCut(scene.picture, scene.map, 'boykov-jolly', { seed: 1 }),
    graphCut(scene.picture, scene.map, 'boykov-jolly', { seed: 2 }),
  );
});

test('no object is made up: maps that point nowhere', () => {
  const { picture } = disc(40, 30, 20, 15, 8);
  const nowhere: readonly (readonly [Tensor, RegExp])[] = [
    [zeros([30, 40]), /zero everywhere/],
    [tensor([30, 40], new Float32Array(1200).fill(2)), /no pixels apart/],
    [
      tensor(
        [30, 40],
        Float32Array.from({ length: 1200 }, (_, i) => (i === 7 ? NaN : i)),
      ),
      /not finite/,
    ],
    [
      tensor(
        [30, 40],
        Float32Array.from({ length: 1200 }, (_, i) => (i === 7 ? Infinity : i)),
      ),
      /not finite/,
    ],
  ];
  for (const preset of PRESET_NAMES) {
    for (const [map, reason] of nowhere) {
      const { box, mask, component, certificate, reason: said } = graphCut(picture, map, preset);
      assert.is(box, null);
      assert.is(certificate, null);
      assert.is(sum(mask) + sum(component), 0);
      assert.match(said!, reason);
    }
  }
});

test('odd pictures: one colour, one pixel, one row, a long strip', () => {
  const flat = (width: number, height: number): GraphCut[] => {
    const picture = { width, height, data: new Uint8Array(3 * width * height).fill(90) };
    const map = tensor(
      [height, width],
      Float32Array.from({ length: width * height }, (_, i) => i + 1),
    );
    // Fewer pixels than the presets allow: a strip enlarged to their side is slow, and no more telling.
    return PRESET_NAMES.map((preset) => graphCut(picture, map, { ...GRAPHCUT_PRESETS[preset], pixels: 2 ** 14 }));
  };
  for (const [w, h] of [
    [1, 1],
    [2, 1],
    [1, 7],
    [50, 40],
    [300, 2],
  ]) {
    for (const { mask, box, reason, certificate } of flat(w, h)) {
      assert.is(mask.length, w * h);
      assert.is(box === null, reason !== null);
      if (certificate) assert.is(certificate.flow, certificate.cut);
      if (box) assert.ok(box.x0 >= 0 && box.y0 >= 0 && box.x1 <= w && box.y1 <= h);
    }
  }
});

test('a map that is zero outside the middle: only what was seen is clamped', () => {
  const scene = disc(160, 80, 80, 40, 20);
  const data = scene.map.data.map((m, i) => (i % 160 < 40 || i % 160 >= 120 ? 0 : m));
  const found = graphCut(scene.picture, tensor([80, 160], data), { ...LAB, side: null });
  assert.equal(found.component, scene.truth);
});

test('a prior in log odds moves the cut; so do rank prior, smoothing, soft samples', () => {
  const scene = disc(60, 50, 25, 25, 12);
  const base: GraphCutOptions = { ...LAB, side: null };
  const everywhere = { prior: tensor([50, 60], new Float32Array(3000).fill(1e4)) };
  assert.is(sum(graphCut(scene.picture, scene.map, { ...base, clamps: null }, everywhere).mask), 3000);
  const nowhere = { prior: tensor([50, 60], new Float32Array(3000).fill(-1e4)) };
  assert.match(graphCut(scene.picture, scene.map, { ...base, clamps: null }, nowhere).reason!, /no object/);
  // Without colours the prior and the contrast alone decide.
  const shaped = {
    prior: tensor(
      [50, 60],
      Float32Array.from(scene.truth, (side) => (side ? 3 : -3)),
    ),
  };
  const found = graphCut(
    scene.picture,
    scene.map,
    { ...base, mixture: null, clamps: null, pairwise: { ...base.pairwise, weight: 1 } },
    shaped,
  );
  assert.equal(found.mask, scene.truth);
  const priors = (['linear', 'logit'] as const).map((shape) => ({ weight: 2, shape, centre: 0.8 }));
  for (const more of [...priors.map((prior) => ({ prior })), { smoothing: 2 }, { soft: { foreground: 8, background: 2 } }]) {
    assert.ok(
      iou(graphCut(scene.picture, scene.map, { ...base, ...more }).box!, maskBox(scene.truth, 60, 50)!) > 0.8,
      JSON.stringify(more),
    );
  }
  assert.equal(graphCut(scene.picture, scene.map, { ...base, box: { mass: 0.9 } }).box, massBox(scene.truth, 60, 50, 0.9));
});

test('a linear rank prior without colours keeps exactly the pixels above its centre', () => {
  const next = uniform(6);
  const map = tensor(
    [10, 10],
    Float32Array.from({ length: 100 }, () => next() + 0.1),
  );
  const picture = { width: 10, height: 10, data: new Uint8Array(300).fill(9) };
  const options: GraphCutOptions = {
    ...LAB,
    side: null,
    clamps: null,
    mixture: null,
    prior: { weight: 1, shape: 'linear', centre: 0.75 },
    pairwise: { weight: 0, sharpness: 0, connectivity: 4 },
    scale: 1e6,
  };
  const { mask } = graphCut(picture, map, options);
  const level = [...map.data].sort((a, b) => b - a)[24];
  assert.equal(
    [...mask],
    [...map.data].map((m) => (m >= level ? 1 : 0)),
  );
});

test('options and extents are checked', () => {
  const { picture, map } = disc(20, 20, 10, 10, 5);
  const wrong: (() => unknown)[] = [
    () => graphCut(picture, map, 'grab-cut' as 'grabcut'),
    () => graphCut(picture, zeros([20, 21]), 'grabcut'),
    () => graphCut(picture, zeros([400]), 'grabcut'),
    () => graphCut(picture, tensor([20, 20], new Float32Array(400).fill(-1)), 'grabcut'),
    () => graphCut(picture, map, 'grabcut', { prior: zeros([20, 21]) }),
    () => graphCut({ ...picture, width: 21 }, map, 'grabcut'),
    ...(
      [
        { side: 0 },
        { pixels: 0.5 },
        { smoothing: -1 },
        { seeds: { foreground: 0.2, background: 0.3 } },
        { clamps: { foreground: 0.9, background: 0.1, strength: -1 } },
        { soft: { foreground: -1, background: 0 } },
        { mixture: { ...LAB.mixture!, components: 0 } },
        { uniform: 1 },
        { cap: NaN },
        { prior: { weight: 1, shape: 'linear', centre: 0 } },
        { pairwise: { weight: -1, sharpness: 1, connectivity: 4 } },
        { component: { connectivity: 6 as 4, seeded: true } },
        { scale: 0 },
        { iterations: 0 },
        { box: { mass: 0 } },
      ] satisfies Partial<GraphCutOptions>[]
    ).map((field) => () => graphCutOptions({ ...LAB, ...field })),
    // Capacities that do not fit.
    () => graphCut(picture, map, { ...LAB, side: null, scale: 1e9 }),
  ];
  for (const call of wrong) assert.throws(call, (error: unknown) => error instanceof InputError, String(call));
});

test.run();
