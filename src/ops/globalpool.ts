/** Global average and global max pooling: [N, C, ...] to [N, C, 1, ...]. */
import source from '../../shaders/globalpool.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Fail, Op, ValueInfo } from './op.ts';

const geometry = ([n, c, ...rest]: Shape): { planes: number; extent: number } => ({ planes: n * c, extent: size(rest) });

function infer([x]: readonly (ValueInfo | null)[], _: object, fail: Fail): ValueInfo[] {
  const { shape } = x!;
  if (shape.length < 3) fail(`expected x of rank 3 or more, got [${shape.join(', ')}].`);
  return [{ shape: [shape[0], shape[1], ...shape.slice(2).map(() => 1)], dtype: 'f32' }];
}

const common = {
  shaders: { globalpool: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer,
  differentiable: () => true,
} satisfies Partial<Op<object>>;

export const globalavgpool: Op<object> = {
  name: 'globalavgpool',
  ...common,
  forward({ x: [x], y: [y], step }) {
    const g = geometry(x!.shape);
    step({ shader: 'globalpool', entry: 'averageForward', geometry: g, bind: { x: x!, y }, invocations: g.planes });
  },
  adjoint({ dy: [dy], dx, step }) {
    step({
      shader: 'globalpool',
      entry: 'averageBackward',
      geometry: geometry(dx.shape),
      bind: { dy: dy!, dx },
      invocations: size(dx.shape),
    });
  },
};

export const globalmaxpool: Op<object> = {
  name: 'globalmaxpool',
  ...common,
  forward({ x: [x], y: [y], differentiated, save, scratch, step }) {
    const g = geometry(x!.shape);
    const winners = differentiated ? save('winners', [g.planes], 'u32') : scratch('winners', [g.planes], 'u32');
    step({ shader: 'globalpool', entry: 'maxForward', geometry: g, bind: { x: x!, y, winners }, invocations: g.planes });
  },
  adjoint({ dy: [dy], dx, saved, step }) {
    step({
      shader: 'globalpool',
      entry: 'maxBackward',
      geometry: geometry(dx.shape),
      bind: { dy: dy!, savedWinners: saved('winners'), dx },
      invocations: size(dx.shape),
    });
  },
};
