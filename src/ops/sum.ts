/** Ordered sums over two axes of a strided tensor, as sum.wgsl makes them: split sums, bias gradients. */
import { size } from '../tensor.ts';
import { finishing } from './activation.ts';
import type { Activation, EmitContext, TensorRef } from './op.ts';

export interface SumGeometry {
  readonly count: number;
  readonly pitch: number;
  readonly outer: number;
  readonly outerPitch: number;
  readonly inner: number;
  readonly innerPitch: number;
}

/** y[i] = sum over p < outer, then q < inner, of x[i * pitch + p * outerPitch + q * innerPitch], stored as an activation says. */
export function addUp(c: EmitContext<unknown>, x: TensorRef, y: TensorRef, geometry: SumGeometry, given?: Activation): void {
  const { activation, gate } = finishing(given, x);
  const { count } = geometry;
  c.step({ shader: 'sum', entry: 'sum', geometry: { ...geometry, scale: 1, activation }, bind: { x, y, gate }, invocations: count });
}

/** Where a sum that is split into slabs goes: y itself, or with several a tensor [slabs, ...y] that {@link addSlabs} adds up. */
export function slabsOf(c: EmitContext<unknown>, name: string, y: TensorRef, slabs: number): TensorRef {
  return slabs === 1 ? y : c.scratch(`partial ${name}`, [slabs, ...y.shape]);
}

/** y = the sum of the slabs, in order; nothing is left to do where `partial` is y. */
export function addSlabs(c: EmitContext<unknown>, partial: TensorRef, y: TensorRef, activation?: Activation): void {
  if (partial === y) return;
  const count = size(y.shape);
  addUp(c, partial, y, { count, pitch: 1, outer: partial.shape[0], outerPitch: count, inner: 1, innerPitch: 0 }, activation);
}
