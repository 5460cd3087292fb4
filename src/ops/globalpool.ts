/** Global average and global max pooling: [N, C, ...] to [N, C, 1, ...]. */
import source from '../../shaders/globalpool.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import { SWITCH_CHOICES } from './window.ts';
import type { Fail, Op, ValueInfo } from './op.ts';

const geometry = ([n, c, ...rest]: Shape): Record<string, number> => ({ planes: n * c, extent: size(rest), middle: middleOf(rest) });

/** The flat index of the middle element; of two, the one before. */
export function middleOf(extents: Shape): number {
  return extents.reduce((index, extent) => index * extent + Math.floor((extent - 1) / 2), 0);
}

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
  rules: ['maxpool'],
  adjoint({ x: [x], y: [y], dy: [dy], dx, rules, saved, scratch, step }) {
    const g = geometry(dx.shape);
    const shared = { shader: 'globalpool', geometry: g };
    if (rules.maxpool === 'all-ties' || rules.maxpool === 'average-ties') {
      const ties = { x: x!, maxima: y };
      const shares = rules.maxpool === 'all-ties' ? dy! : scratch('shares', y.shape);
      if (shares !== dy) step({ ...shared, entry: 'shareTies', bind: { ...ties, signal: dy!, share: shares }, invocations: g.planes });
      step({ ...shared, entry: 'tiesBackward', bind: { ...ties, shares, tied: dx }, invocations: size(dx.shape) });
      return;
    }
    const choice = SWITCH_CHOICES[rules.maxpool];
    const winners = choice === undefined ? saved('winners') : scratch('chosen', [g.planes], 'u32');
    if (choice !== undefined)
      step({ ...shared, entry: 'chooseWinners', constants: { choice }, bind: { x: x!, winners }, invocations: g.planes });
    step({ ...shared, entry: 'maxBackward', bind: { dy: dy!, savedWinners: winners, dx }, invocations: size(dx.shape) });
  },
};
