/** ReLU: y = max(x, 0). Its backward is where the rule lives. */
import source from '../../shaders/relu.wgsl' with { type: 'text' };
import { RULES } from '../rule.ts';
import { size } from '../tensor.ts';
import { readsX } from './activation.ts';
import { AttrReader } from './attrs.ts';
import type { Op, TensorRef } from './op.ts';

/** An entry point over `count` elements, in vectors of four where they come out even. */
function elements(entry: string, count: number, tensors: Readonly<Record<string, TensorRef>>) {
  const even = count % 4 === 0;
  return {
    entry: even ? `${entry}4` : entry,
    geometry: { count },
    bind: even ? Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`${name}4`, tensor])) : tensors,
    invocations: even ? Math.ceil(count / 8) : count,
  };
}

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
    step({ shader: 'relu', ...elements('forward', size(y.shape), { x: x!, y }) });
  },
  differentiable: () => true,
  rules: ['relu', 'zero'],
  adjoint({ x: [x], y: [y], dy: [dy], dx, rules, step }) {
    // y is what other layers keep anyway.
    const open = readsX(rules);
    step({
      shader: 'relu',
      constants: { rule: RULES.indexOf(rules.relu), ...(open ? { zero: 1 } : {}) },
      ...elements('backward', size(dx.shape), { gate: open ? x! : y, dy: dy!, dx }),
    });
  },
};
