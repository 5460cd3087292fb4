// A seeded generator of small random networks: every op of inference, in series, in branches and around shortcuts.
import { typeGraph, valueInfo, type Graph, type GraphNode, type ValueSpec } from '../src/graph.ts';
import type { AnyTensor, Shape, Tensor } from '../src/tensor.ts';
import { size } from '../src/tensor.ts';
import { fill, normal, uniform } from '../src/verify/random.ts';

export interface RandomNet {
  readonly graph: Graph;
  readonly parameters: Map<string, AnyTensor>;
  readonly input: Tensor;
}

/** A classifier of `depth` random blocks on [batch, channels, h, w], with scores [batch, classes]. */
export function randomNet(seed: number, options: { readonly relu?: boolean; readonly depth?: number } = {}): RandomNet {
  const next = uniform(seed);
  const gauss = normal(seed + 1000);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(next() * choices.length)];
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const withRelu = options.relu ?? true;

  const nodes: GraphNode[] = [];
  const specs: ValueSpec[] = [];
  const parameters = new Map<string, AnyTensor>();
  const shape: Shape = [between(1, 2), between(1, 4), between(9, 14), between(9, 14)];
  const inputs: ValueSpec[] = [{ name: 'x', shape }];

  const shapeOf = (name: string): Shape => valueInfo(typeGraph({ name: 'net', inputs, parameters: specs, nodes, outputs: [] }), name).shape;
  const parameter = (name: string, extent: Shape, scale: number, offset = 0): string => {
    specs.push({ name, shape: extent });
    parameters.set(name, { shape: extent, data: fill(size(extent), () => offset + scale * gauss()) });
    return name;
  };
  const add = (op: string, from: readonly string[], attrs: GraphNode['attrs'] = {}): string => {
    const name = `${op}${nodes.length}`;
    nodes.push({ name, op, inputs: from, outputs: [name], attrs });
    return name;
  };

  const conv = (x: string, wanted?: number): string => {
    const [, c, h, w] = shapeOf(x);
    const groups = pick([1, 1, 1, c, ...[2, 3].filter((g) => c % g === 0)]);
    const out = wanted ?? groups * between(1, Math.max(1, Math.floor(8 / groups)));
    const usable = out % groups === 0 ? groups : 1;
    const [kh, kw] = wanted === undefined ? [between(1, 3), between(1, 3)] : [1, 1];
    const [dh, dw] = [pick([1, 1, 2]), pick([1, 1, 2])];
    const pad = wanted === undefined ? [between(0, 2), between(0, 2), between(0, 2), between(0, 2)] : [0, 0, 0, 0];
    // A window longer than the padded input has no place to go.
    const dilation = [h + pad[0] + pad[2] > dh * (kh - 1) ? dh : 1, w + pad[1] + pad[3] > dw * (kw - 1) ? dw : 1];
    if (h + pad[0] + pad[2] <= dilation[0] * (kh - 1) || w + pad[1] + pad[3] <= dilation[1] * (kw - 1)) return x;
    const stride = wanted === undefined && h > 5 && w > 5 ? [pick([1, 1, 2]), pick([1, 1, 2])] : [1, 1];
    const id = nodes.length;
    const fan = Math.sqrt((c / usable) * kh * kw);
    const weights = parameter(`w${id}`, [out, c / usable, kh, kw], 1.2 / fan);
    const from = next() < 0.8 ? [x, weights, parameter(`b${id}`, [out], 0.1)] : [x, weights];
    return add('conv2d', from, { stride, pad, dilation, groups: usable });
  };
  const relu = (x: string): string => (withRelu ? add('relu', [x]) : x);
  const norm = (x: string): string => {
    const c = shapeOf(x)[1];
    const id = nodes.length;
    if (next() < 0.4 && withRelu) return add('lrn', [x], { size: pick([3, 5]), alpha: 0.1, beta: 0.75, bias: 1 });
    return add('batchnorm', [
      x,
      parameter(`scale${id}`, [c], 0.2, 1),
      parameter(`shift${id}`, [c], 0.2),
      parameter(`mean${id}`, [c], 0.2),
      parameter(`variance${id}`, [c], 0.1, 1),
    ]);
  };
  const pool = (x: string): string => {
    const [, , h, w] = shapeOf(x);
    if (h < 4 || w < 4) return x;
    const kernel = [between(2, 3), between(2, 3)];
    const common = {
      kernel,
      stride: [pick([1, 2]), pick([1, 2])],
      pad: [between(0, 1), between(0, 1), between(0, 1), between(0, 1)],
      ceilMode: pick([true, false]),
    };
    if (withRelu && next() < 0.6) return add('maxpool2d', [x], common);
    return add('avgpool2d', [x], { ...common, countIncludePad: pick([true, false]) });
  };
  const residual = (x: string): string => {
    const c = shapeOf(x)[1];
    return add('add', [
      add('conv2d', [relu(conv1x1(x, c)), parameter(`w${nodes.length}r`, [c, c, 3, 3], 0.8 / Math.sqrt(9 * c))], { pad: [1, 1, 1, 1] }),
      x,
    ]);
  };
  const conv1x1 = (x: string, out: number): string => conv(x, out);
  const branches = (x: string): string => {
    const parts = Array.from({ length: between(2, 3) }, () => relu(conv1x1(x, between(1, 4))));
    if (next() < 0.5) parts.push(x);
    return add('concat', parts, { axis: pick([1, -3]) });
  };
  const gate = (x: string): string => {
    const c = shapeOf(x)[1];
    const id = nodes.length;
    if (next() < 0.5) return add('mul', [x, parameter(`gain${id}`, [c, 1, 1], 0.3, 1)]);
    return withRelu ? add('mul', [x, add('softmax', [add('globalavgpool', [x])], { axis: 1 })]) : x;
  };
  const frame = (x: string): string =>
    add('pad', [x], { before: [0, 0, between(0, 2), between(0, 1)], after: [0, 0, between(0, 1), between(0, 2)], value: 0.25 });
  const shift = (x: string): string => add('add', [x, parameter(`shift${nodes.length}`, [shapeOf(x)[1], 1, 1], 0.2)]);
  const squash = (x: string): string => (withRelu ? add('clip', [x], { min: -1.5, max: 2 }) : x);

  let x = relu(conv('x'));
  for (let block = 0; block < (options.depth ?? 5); block++) {
    const make = pick([
      (v: string) => relu(conv(v)),
      pool,
      residual,
      branches,
      norm,
      gate,
      frame,
      shift,
      squash,
      (v: string) => relu(norm(conv(v))),
    ]);
    x = make(x);
  }
  x = relu(conv(x));
  const flat =
    next() < 0.5
      ? add('flatten', [add(withRelu && next() < 0.4 ? 'globalmaxpool' : 'globalavgpool', [x])])
      : add('flatten', [add('dropout', [x])]);
  const features = shapeOf(flat)[1];
  const classes = between(2, 7);
  const hidden = relu(add('linear', [flat, parameter('fc1.w', [9, features], 1.5 / Math.sqrt(features)), parameter('fc1.b', [9], 0.1)]));
  const scores = add('linear', [hidden, parameter('fc2.w', [classes, 9], 0.5), parameter('fc2.b', [classes], 0.1)]);
  const prob = add('softmax', [scores]);
  const graph: Graph = { name: `random net ${seed}`, inputs, parameters: specs, nodes, outputs: [prob], scores };
  return { graph, parameters, input: { shape, data: fill(size(shape), normal(seed + 7)) } };
}
