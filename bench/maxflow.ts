/**
 * Times of the minimum cut: of pictures, of what is hard for it, of two published problems. The solver stands beside its rival (ibfs.ts)
 * and a plain Dinic (test/dinic.ts; not of photos, where it takes seconds); all must agree. Processor time in ms, best of three; the first
 * call of all is printed apart.
 *
 *     npx esbuild bench/maxflow.ts --bundle --platform=node --format=esm --packages=external --outfile=.build/maxflow.mjs
 *     node .build/maxflow.mjs [photo ...]
 *
 * Photos are cut at a shorter side of 256 with a map of noise under a bell in their middle.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeImage } from '../src/image/decode.ts';
import type { Picture } from '../src/image/picture.ts';
import { resize } from '../src/image/resize.ts';
import { flowNetwork, gridEdges, type Connectivity, type FlowNetwork } from '../src/segment/flownetwork.ts';
import { minCut } from '../src/segment/maxflow.ts';
import { GRAPHCUT_PRESETS, PRESET_NAMES } from '../src/segment/presets.ts';
import { uniform } from '../src/random.ts';
import { cutRounds } from '../src/segment/rounds.ts';
import { softSeeds } from '../src/segment/seeds.ts';
import { dataPath } from '../test/data.ts';
import { readDimacs } from '../test/dimacs.ts';
import { dinic } from '../test/dinic.ts';
import { ibfs } from './ibfs.ts';

const [WIDTH, HEIGHT] = [340, 256];
const next = uniform(1);

type Instance = readonly [string, FlowNetwork];

/** A grid of values: unary term and contrast by functions of pixels. */
function grid(connectivity: Connectivity, odds: (x: number, y: number) => number, apart: (i: number, j: number) => number): FlowNetwork {
  const edges = gridEdges(WIDTH, HEIGHT, connectivity);
  const unary = Array.from({ length: WIDTH * HEIGHT }, (_, i) => Math.round(odds(i % WIDTH, Math.floor(i / WIDTH))));
  const weights = Array.from(edges.from, (i, e) => Math.round(apart(i, edges.to[e])));
  return flowNetwork(
    unary.map((u) => Math.max(0, u)),
    unary.map((u) => Math.max(0, -u)),
    { ...edges, forward: weights, backward: weights },
  );
}

function synthetic(): Instance[] {
  const value = Float64Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    return (Math.hypot(x - 170, y - 128) < 70 ? 60 : 0) + 80 * (next() - 0.5) + 30 * Math.sin(x / 9) * Math.cos(y / 7);
  });
  const contrast = (i: number, j: number): number => 7500 * Math.exp(-((value[i] - value[j]) ** 2) / 800);
  const coin = (): number => (next() < 0.5 ? 100 : -100);
  const sides = (x: number): number => (x === 0 ? 1e6 : x === WIDTH - 1 ? -1e6 : 0);
  return ([4, 8] as const).flatMap((k): Instance[] => [
    [`disc on waves and noise, ${k}`, grid(k, (x, y) => 5 * (value[y * WIDTH + x] - 20), contrast)],
    [
      `noise alone, ${k}`,
      grid(
        k,
        () => 1000 * (next() - 0.5),
        () => 7500 * next() ** 4,
      ),
    ],
    [`all capacities equal, coin tosses, ${k}`, grid(k, coin, () => 5000)],
    [`left side to right side, random, ${k}`, grid(k, sides, () => 1000 * next())],
  ]);
}

/** First and last cut of every preset. */
function ofPicture(name: string, picture: Picture): Instance[] {
  const factor = 256 / Math.min(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((extent) => Math.round(extent * factor));
  const span = (from: number, to: number): Parameters<typeof resize>[1] => ({ from, to, start: 0, length: to });
  const colours = resize(picture, span(picture.width, width), span(picture.height, height));
  const map = Float64Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [(i % width) / width - 0.5, Math.floor(i / width) / height - 0.5];
    return Math.exp(-(x * x + y * y) / 0.06) * (0.2 + next());
  });
  return PRESET_NAMES.flatMap((preset) => {
    const options = GRAPHCUT_PRESETS[preset];
    const input = { colours, size: [height, width] as const, map, seeds: softSeeds(map, options.seeds) };
    const rounds = [...cutRounds(input, options, 0)];
    return [...new Set([0, rounds.length - 1])].map(
      (r): Instance => [`${name} ${width}x${height}, ${preset}, cut ${r + 1}`, rounds[r].network],
    );
  });
}

function time(run: () => number): { readonly ms: number; readonly value: number } {
  const start = process.cpuUsage();
  const value = run();
  const { user, system } = process.cpuUsage(start);
  return { ms: (user + system) / 1000, value };
}

const instances = synthetic();
/** Of photos: after the rest. */
const photos: Instance[] = [];
const started = performance.now();
minCut(instances[0][1]);
console.log(`first call of all: ${(performance.now() - started).toFixed(0)} ms on the clock, ${instances[0][0]}`);
for (const name of ['gl1', 'wlm3']) {
  const file = dataPath('vectors', 'maxflow', `${name}.max`);
  if (existsSync(file)) instances.push([`DIMACS ${name}`, readDimacs(readFileSync(file, 'utf8'))]);
}
for (const file of process.argv.slice(2)) photos.push(...ofPicture(path.basename(file), await decodeImage(readFileSync(file))));

console.log(`${'instance'.padEnd(52)} ${'nodes'.padStart(6)} ${'flow'.padStart(11)}   this   ibfs  dinic`);
for (const [name, network] of [...instances, ...photos]) {
  const fast = [(): number => minCut(network).flow, (): number => ibfs(network)].map((solve) => [1, 2, 3].map(() => time(solve)));
  const slow = photos.some(([, other]) => other === network) ? [] : [[time(() => dinic(network))]];
  const runs = [...fast, ...slow];
  const agree = new Set(runs.flat().map(({ value }) => value)).size === 1;
  const best = runs.map((times) =>
    Math.min(...times.map(({ ms }) => ms))
      .toFixed(0)
      .padStart(6),
  );
  const flow = String(runs[0][0].value).padStart(11);
  console.log(`${name.padEnd(52)} ${String(network.nodes).padStart(6)} ${flow} ${best.join(' ')}${agree ? '' : '  DISAGREE'}`);
}
