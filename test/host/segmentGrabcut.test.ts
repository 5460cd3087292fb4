/** The preset grabcut against OpenCV's grabCut. */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/picture.ts';
import { fitInto } from '../../src/image/sheet.ts';
import { colourOdds, contrast, cutNetwork } from '../../src/segment/energy.ts';
import { graphCut } from '../../src/segment/graphcut.ts';
import { cutCapacity, minCut } from '../../src/segment/maxflow.ts';
import { GRAPHCUT_PRESETS } from '../../src/segment/presets.ts';
import { uniform } from '../../src/random.ts';
import { cutRounds } from '../../src/segment/rounds.ts';
import { hardSeeds } from '../../src/segment/seeds.ts';
import { tensor } from '../../src/tensor.ts';
import { dataPath, sayMissing } from '../data.ts';
import { openCvGrabCut } from '../opencv.ts';

const OPTIONS = GRAPHCUT_PRESETS.grabcut;

/** A picture of two textured discs on a sloping ground, and a map that is high in the middle of one of them. */
function discs(seed: number): { readonly picture: Picture; readonly map: Float64Array } {
  const next = uniform(seed);
  const [width, height] = [90, 70];
  const data = new Uint8Array(3 * width * height);
  const map = new Float64Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [first, second] = [Math.hypot(x - 30, y - 34) < 20, Math.hypot(x - 68, y - 40) < 14];
      const colour = first ? [190, 90 + ((x >> 2) & 1) * 40, 60] : second ? [60, 80, 170] : [80 + x, 140, 90 + y / 2];
      for (let c = 0; c < 3; c++) data[3 * i + c] = Math.max(0, Math.min(255, Math.round(colour[c] + 30 * (next() - 0.5))));
      map[i] = Math.exp(-((x - 30) ** 2 + (y - 34) ** 2) / 250) * (0.6 + 0.4 * next());
    }
  }
  return { picture: { width, height, data }, map };
}

/** A photo, shrunk, with a map that is high around a point given in shares of its sides. */
async function photo(name: string, x: number, y: number): Promise<{ readonly picture: Picture; readonly map: Float64Array }> {
  const picture = fitInto(await decodeImage(readFileSync(dataPath('photos', name))), [160, 160]);
  const next = uniform(1);
  const { width, height } = picture;
  const map = Float64Array.from({ length: width * height }, (_, i) => {
    const [dx, dy] = [(i % width) / width - x, Math.floor(i / width) / height - y];
    return Math.exp(-(dx * dx + dy * dy) / 0.04) * (0.3 + next());
  });
  return { picture, map };
}

const CASES: readonly (readonly [string, () => Promise<{ readonly picture: Picture; readonly map: Float64Array }>])[] = [
  ['discs 1', async () => discs(1)],
  ['discs 2', async () => discs(2)],
  ...(existsSync(dataPath('photos'))
    ? ([
        ['cat', () => photo('cat.jpg', 0.45, 0.45)],
        ['elephant', () => photo('elephant.jpg', 0.35, 0.45)],
        ['swan', () => photo('swan-3299528_1280.jpg', 0.53, 0.5)],
      ] as const)
    : []),
];
if (CASES.length === 2) sayMissing('grabCut on photographs');

const overlap = (a: Uint8Array, b: Uint8Array): number => {
  let [both, either] = [0, 0];
  a.forEach((side, i) => {
    both += side & b[i];
    either += side | b[i];
  });
  return both / either;
};

for (const [name, load] of CASES) {
  test(`${name}: with OpenCV's own mixtures the cut is OpenCV's`, async () => {
    const { picture, map } = await load();
    const clamps = hardSeeds(map, OPTIONS.clamps!);
    const theirs = await openCvGrabCut(picture, clamps, 2, 7);
    const colours = Float64Array.from(picture.data);
    const odds = colourOdds(colours, theirs.foreground, theirs.background, 0);
    const network = cutNetwork(odds, clamps, contrast(colours, picture.width, picture.height, OPTIONS.pairwise), OPTIONS);
    const ours = minCut(network);
    const theirEnergy = cutCapacity(network, theirs.mask);
    const parted = ours.source.reduce((sum, side, i) => sum + (side === theirs.mask[i] ? 0 : 1), 0);
    console.log(`measured: ${name}: energy ${ours.capacity} against OpenCV's ${theirEnergy}; ${parted} of ${map.length} pixels differ`);
    assert.ok(ours.capacity <= theirEnergy);
    // Capacities are rounded to thousandths: each pixel and pair may be half of that off.
    assert.ok(theirEnergy - ours.capacity <= 0.5 * (network.head.length / 2 + network.nodes), `${theirEnergy} against ${ours.capacity}`);
    assert.ok(parted <= 2e-4 * map.length + 1, `${parted} pixels differ`);
  });

  test(`${name}: from seeds to mask, about as far from OpenCV as OpenCV from itself`, async () => {
    const { picture, map } = await load();
    const clamps = hardSeeds(map, OPTIONS.clamps!);
    const theirs = await Promise.all([1, 2, 3, 4].map((seed) => openCvGrabCut(picture, clamps, 5, seed)));
    const ours = [1, 2, 3, 4].map(
      (seed) => graphCut(picture, tensor([picture.height, picture.width], Float32Array.from(map)), 'grabcut', { seed }).mask,
    );
    const best = Math.max(...ours.flatMap((a) => theirs.map(({ mask }) => overlap(a, mask))));
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const across = mean(ours.flatMap((a) => theirs.map(({ mask }) => overlap(a, mask))));
    const among = mean(theirs.flatMap(({ mask: a }, i) => theirs.slice(i + 1).map(({ mask }) => overlap(a, mask))));
    console.log(
      `measured: ${name}: IoU with OpenCV ${across.toFixed(3)} (best ${best.toFixed(3)}); of OpenCV's seeds among themselves ${among.toFixed(3)}`,
    );
    assert.ok(across >= among - 0.05, `${across} against ${among}`);
    assert.ok(best >= 0.9);
  });
}

test('every round is a certified cut, and the energy of the given models', () => {
  const { picture, map } = discs(3);
  const seeds = hardSeeds(map, OPTIONS.seeds);
  const input = { colours: Float64Array.from(picture.data), size: [picture.height, picture.width] as const, map, seeds };
  const rounds = [...cutRounds(input, OPTIONS, 0)];
  assert.is(rounds.length, 5);
  for (const { cut, network } of rounds) {
    assert.is(cut.flow, cut.capacity);
    assert.is(cutCapacity(network, cut.source), cut.flow);
    // No labelling of one side only, nor the seeds' own, is better.
    for (const other of [new Uint8Array(map.length), new Uint8Array(map.length).fill(1), seeds.map((s) => (s === 1 ? 1 : 0))]) {
      assert.ok(cutCapacity(network, other) >= cut.flow);
    }
  }
});

test.run();
