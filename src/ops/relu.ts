/** ReLU: y = max(x, 0). Its backward is where the rule lives. */
import source from '../../shaders/relu.wgsl' with { type: 'text' };
import { RULES } from '../rule.ts';
import { size } from '../tensor.ts';
import { readsX } from './activation.ts';
import { AttrReader } from './attrs.ts';
import type { Op } from './op.ts';

export const relu: Op<object> = {
  name: 'relu',
  shaders: { relu: source },
  inputs: [1, 1],
  outputs: [1, 1],
  attrs(given, fail) {
    new AttrReader(given, fail).done();
    return {};
  },
  infer: ([x]) => [x!],
  forward({ x: [x], y: [y], step }) {
    const count = size(y.shape);
    step({ shader: 'relu', entry: 'forward', geometry: { count }, bind: { x: x!, y }, invocations: Math.ceil(count / 4) });
  },
  differentiable: () => true,
  rules: ['relu', 'zero'],
  adjoint({ x: [x], y: [y], dy: [dy], dx, rules, step }) {
    const count = size(dx.shape);
    // y is what other layers keep anyway.
    const open = readsX(rules);
    step({
      shader: 'relu',
      entry: 'backward',
      constants: { rule: RULES.indexOf(rules.relu), ...(open ? { zero: 1 } : {}) },
      geometry: { count },
      bind: { gate: open ? x! : y, dy: dy!, dx },
      invocations: Math.ceil(count / 4),
    });
  },
};
