/** Ordered sums over two axes of a strided tensor, as sum.wgsl makes them: split sums, bias gradients. */
import type { EmitContext, TensorRef } from './op.ts';

export interface SumGeometry {
  readonly count: number;
  readonly pitch: number;
  readonly outer: number;
  readonly outerPitch: number;
  readonly inner: number;
  readonly innerPitch: number;
}

/** y[i] = sum over p < outer, then q < inner, of x[i * pitch + p * outerPitch + q * innerPitch]. */
export function addUp(c: EmitContext<unknown>, x: TensorRef, y: TensorRef, geometry: SumGeometry): void {
  c.step({ shader: 'sum', entry: 'sum', geometry: { ...geometry, scale: 1 }, bind: { x, y }, invocations: geometry.count });
}
