/**
 * Networks by their geometry alone, with random weights: what a benchmark needs of them, with nothing to fetch. Weights are normal with variance 2 / fan-in,
 * so that signals keep their size from layer to layer; biases are zero.
 */
import type { Graph, GraphNode, ValueSpec } from '../graph.ts';
import { size, type Shape, type Tensor } from '../tensor.ts';
import type { BenchNetwork } from './networks.ts';
import { randomTensor } from './problem.ts';

/** Adds layers one behind the other; names are the layers' own. */
class Layers {
  readonly nodes: GraphNode[] = [];
  readonly parameters: ValueSpec[] = [];

  add(op: string, name: string, inputs: readonly string[], attrs: GraphNode['attrs'] = {}): string {
    this.nodes.push({ name, op, inputs, outputs: [name], attrs });
    return name;
  }

  #weighted(op: string, name: string, x: string, shape: Shape, attrs: GraphNode['attrs'] = {}): string {
    this.parameters.push({ name: `${name}.weight`, shape }, { name: `${name}.bias`, shape: [shape[0]] });
    return this.add(op, name, [x, `${name}.weight`, `${name}.bias`], attrs);
  }

  /** A convolution and its ReLU. */
  conv(name: string, x: string, [channels, outputs]: readonly [number, number], kernel: number, { stride = 1, pad = 0 } = {}): string {
    const attrs = { stride: [stride, stride], pad: [pad, pad, pad, pad] };
    return this.add('relu', `${name}.relu`, [this.#weighted('conv2d', name, x, [outputs, channels, kernel, kernel], attrs)]);
  }

  full(name: string, x: string, inputs: number, outputs: number): string {
    return this.#weighted('linear', name, x, [outputs, inputs]);
  }

  pool(name: string, x: string, kernel: number, stride: number, pad = 0): string {
    return this.add('maxpool2d', name, [x], {
      kernel: [kernel, kernel],
      stride: [stride, stride],
      pad: [pad, pad, pad, pad],
      ceilMode: true,
    });
  }

  network(name: string, batch: number, scores: string): BenchNetwork {
    const graph: Graph = {
      name,
      inputs: [{ name: 'data', shape: [batch, 3, 224, 224] }],
      parameters: this.parameters,
      nodes: this.nodes,
      outputs: [scores],
      scores,
    };
    return { name: `${name} (random weights)`, graph, parameters: heParameters(this.parameters) };
  }
}

/**
 * VGG-16 (configuration D): thirteen 3x3 convolutions of width 64 to 512, five 2x2 max-pools, three full layers.
 * @see Simonyan & Zisserman 2014, table 1
 */
export function vgg16(batch = 1): BenchNetwork {
  const layers = new Layers();
  let x = 'data';
  let channels = 3;
  const blocks = [Array(2).fill(64), Array(2).fill(128), Array(3).fill(256), Array(3).fill(512), Array(3).fill(512)] as number[][];
  blocks.forEach((widths, b) => {
    widths.forEach((width, i) => {
      x = layers.conv(`conv${b + 1}_${i + 1}`, x, [channels, width], 3, { pad: 1 });
      channels = width;
    });
    x = layers.pool(`pool${b + 1}`, x, 2, 2);
  });
  x = layers.full('fc6', layers.add('flatten', 'flat', [x]), 512 * 7 * 7, 4096);
  x = layers.full('fc7', layers.add('relu', 'relu6', [x]), 4096, 4096);
  x = layers.full('fc8', layers.add('relu', 'relu7', [x]), 4096, 1000);
  return layers.network('vgg16', batch, x);
}

/**
 * SqueezeNet 1.1: eight fire modules, each a 1x1 convolution that squeezes and a 1x1 and a 3x3 one that expand.
 * @see Iandola et al. 2016, and the authors' 1.1
 */
export function squeezenet(batch = 1): BenchNetwork {
  const layers = new Layers();
  let x = layers.pool('pool1', layers.conv('conv1', 'data', [3, 64], 3, { stride: 2 }), 3, 2);
  let channels = 64;
  const fires: readonly (readonly [squeeze: number, expand: number])[] = [
    [16, 64],
    [16, 64],
    [32, 128],
    [32, 128],
    [48, 192],
    [48, 192],
    [64, 256],
    [64, 256],
  ];
  fires.forEach(([squeeze, expand], i) => {
    const name = `fire${i + 2}`;
    const squeezed = layers.conv(`${name}.squeeze`, x, [channels, squeeze], 1);
    const one = layers.conv(`${name}.expand1`, squeezed, [squeeze, expand], 1);
    const three = layers.conv(`${name}.expand3`, squeezed, [squeeze, expand], 3, { pad: 1 });
    x = layers.add('concat', name, [one, three], { axis: 1 });
    channels = 2 * expand;
    if (i === 1 || i === 3) x = layers.pool(`pool${i + 2}`, x, 3, 2);
  });
  x = layers.add('globalavgpool', 'pool10', [layers.conv('conv10', x, [channels, 1000], 1)]);
  return layers.network('squeezenet', batch, layers.add('flatten', 'scores', [x]));
}

/** Widths of GoogLeNet's inception modules: 1x1; 3x3 behind its reduction; 5x5 behind its reduction; behind the pool. */
const INCEPTIONS: Readonly<Record<string, readonly [number, number, number, number, number, number]>> = {
  '3a': [64, 96, 128, 16, 32, 32],
  '3b': [128, 128, 192, 32, 96, 64],
  '4a': [192, 96, 208, 16, 48, 64],
  '4b': [160, 112, 224, 24, 64, 64],
  '4c': [128, 128, 256, 24, 64, 64],
  '4d': [112, 144, 288, 32, 64, 64],
  '4e': [256, 160, 320, 32, 128, 128],
  '5a': [256, 160, 320, 32, 128, 128],
  '5b': [384, 192, 384, 48, 128, 128],
};

/**
 * GoogLeNet without its side branches, which only training has.
 * @see Szegedy et al. 2014, table 1
 */
export function googlenet(batch = 1): BenchNetwork {
  const layers = new Layers();
  const lrn = { size: 5, alpha: 1e-4, beta: 0.75 };
  let x = layers.pool('pool1', layers.conv('conv1', 'data', [3, 64], 7, { stride: 2, pad: 3 }), 3, 2);
  x = layers.conv('conv2.reduce', layers.add('lrn', 'norm1', [x], lrn), [64, 64], 1);
  x = layers.add('lrn', 'norm2', [layers.conv('conv2', x, [64, 192], 3, { pad: 1 })], lrn);
  x = layers.pool('pool2', x, 3, 2);
  let channels = 192;
  for (const [name, [one, reduce3, three, reduce5, five, pooled]] of Object.entries(INCEPTIONS)) {
    const parts = [
      layers.conv(`${name}.1x1`, x, [channels, one], 1),
      layers.conv(`${name}.3x3`, layers.conv(`${name}.3x3reduce`, x, [channels, reduce3], 1), [reduce3, three], 3, { pad: 1 }),
      layers.conv(`${name}.5x5`, layers.conv(`${name}.5x5reduce`, x, [channels, reduce5], 1), [reduce5, five], 5, { pad: 2 }),
      layers.conv(`${name}.pooled`, layers.pool(`${name}.pool`, x, 3, 1, 1), [channels, pooled], 1),
    ];
    x = layers.add('concat', name, parts, { axis: 1 });
    channels = one + three + five + pooled;
    if (name === '3b' || name === '4e') x = layers.pool(name === '3b' ? 'pool3' : 'pool4', x, 3, 2);
  }
  x = layers.add('avgpool2d', 'pool5', [x], { kernel: [7, 7] });
  return layers.network('googlenet', batch, layers.full('classifier', layers.add('flatten', 'flat', [x]), channels, 1000));
}

/** Weights drawn normal with variance 2 / fan-in; biases are zero. */
export function heParameters(specs: readonly ValueSpec[]): Map<string, Tensor> {
  return new Map(
    specs.map(({ name, shape }, k) => {
      if (shape.length < 2) return [name, { shape, data: new Float32Array(size(shape)) }];
      const scale = Math.sqrt(2 / size(shape.slice(1)));
      const { data } = randomTensor(shape, 11 + k);
      for (let i = 0; i < data.length; i++) data[i] *= scale;
      return [name, { shape, data }];
    }),
  );
}
