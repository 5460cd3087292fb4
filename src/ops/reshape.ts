/** Ops that give the same elements another shape: no step, no memory. */
import { size } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

const alias = {
  shaders: {},
  inputs: [1, 1],
  outputs: [1, 1],
  alias: () => true,
  forward() {},
  differentiable: () => true,
  adjoint: ({ dy: [dy] }) => dy!,
} satisfies Partial<Op<unknown>>;

export interface ReshapeAttrs {
  /** New extents; 0 copies the input's extent at that place, one -1 takes what is left. */
  readonly shape: readonly number[];
}

export const reshape: Op<ReshapeAttrs> = {
  name: 'reshape',
  ...alias,
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { shape: read.integers('shape', undefined, undefined, -1) };
    read.done();
    return attrs;
  },
  infer([x], a, fail) {
    const wanted = a.shape.map((extent, axis) =>
      extent === 0
        ? (x!.shape[axis] ?? fail(`expected an extent 0 to copy from axis ${axis}, but x has rank ${x!.shape.length}.`))
        : extent,
    );
    const known = size(wanted.filter((extent) => extent !== -1));
    const free = wanted.filter((extent) => extent === -1).length;
    const count = size(x!.shape);
    if (free > 1 || (free === 0 && known !== count) || (free === 1 && (known === 0 || count % known !== 0))) {
      fail(`expected a shape for the ${count} elements of [${x!.shape.join(', ')}], got [${a.shape.join(', ')}].`);
    }
    return [{ shape: wanted.map((extent) => (extent === -1 ? count / known : extent)), dtype: x!.dtype }];
  },
};

export interface FlattenAttrs {
  readonly axis: number;
}

export const flatten: Op<FlattenAttrs> = {
  name: 'flatten',
  ...alias,
  attrs(given, fail) {
    const read = new AttrReader(given, fail);
    const attrs = { axis: read.integer('axis', 1) };
    read.done();
    return attrs;
  },
  infer([x], a, fail) {
    const rank = x!.shape.length;
    const axis = a.axis < 0 ? a.axis + rank : a.axis;
    if (axis < 0 || axis > rank) fail(`expected axis in [${-rank}, ${rank}], got ${a.axis}.`);
    return [{ shape: [size(x!.shape.slice(0, axis)), size(x!.shape.slice(axis))], dtype: x!.dtype }];
  },
};

export const identity: Op<object> = {
  name: 'identity',
  ...alias,
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer: ([x]) => [x!],
};
