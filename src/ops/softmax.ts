/** Softmax and its logarithm along one axis. */
import source from '../../shaders/softmax.wgsl' with { type: 'text' };
import { size, type Shape } from '../tensor.ts';
import { AttrReader } from './attrs.ts';
import type { Fail, Op, ValueInfo } from './op.ts';

export interface SoftmaxAttrs {
  /** Negative counts from the end. */
  readonly axis: number;
}

function geometry(shape: Shape, a: SoftmaxAttrs): { outer: number; extent: number; inner: number } {
  const axis = a.axis < 0 ? a.axis + shape.length : a.axis;
  return { outer: size(shape.slice(0, axis)), extent: shape[axis], inner: size(shape.slice(axis + 1)) };
}

function alongAxis(name: string, forwardEntry: string, backwardEntry: string): Op<SoftmaxAttrs> {
  return {
    name,
    shaders: { softmax: source },
    inputs: [1, 1],
    outputs: [1, 1],
    attrs(given, fail) {
      const read = new AttrReader(given, fail);
      const attrs = { axis: read.integer('axis', -1) };
      read.done();
      return attrs;
    },
    infer([x]: readonly (ValueInfo | null)[], a: SoftmaxAttrs, fail: Fail) {
      const rank = x!.shape.length;
      if (a.axis < -rank || a.axis >= rank) fail(`expected axis in [${-rank}, ${rank - 1}], got ${a.axis}.`);
      return [x!];
    },
    forward({ attrs, x: [x], y: [y], step }) {
      const g = geometry(y.shape, attrs);
      step({ shader: 'softmax', entry: forwardEntry, geometry: g, bind: { x: x!, y }, invocations: g.outer * g.inner });
    },
    differentiable: () => true,
    adjoint({ attrs, y: [y], dy: [dy], dx, step }) {
      const g = geometry(y.shape, attrs);
      step({ shader: 'softmax', entry: backwardEntry, geometry: g, bind: { output: y, dy: dy!, dx }, invocations: g.outer * g.inner });
    },
  };
}

export const softmax = alongAxis('softmax', 'softmax', 'softmaxBackward');
export const logsoftmax = alongAxis('logsoftmax', 'logSoftmax', 'logSoftmaxBackward');
