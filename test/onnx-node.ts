/** The ONNX standard's own operator tests, loaded: the imported model, its inputs, and the outputs it should have. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { importOnnx, readTensorProto, type ImportedOnnx } from '../src/formats/onnx/index.ts';
import type { AnyTensor } from '../src/tensor.ts';
import { dataPath } from './data.ts';

/**
 * ONNX compares its node tests this closely: |got - want| <= ATOL + RTOL * |want|.
 * Source: onnx/backend/test/case/node/__init__.py, which gives every node test rtol 1e-3 and atol 1e-7.
 */
export const RTOL = 1e-3;
export const ATOL = 1e-7;

/** How many there are; a folder with fewer is not whole. */
export const ONNX_NODE_TESTS = 64;

export const onnxNodePresent = existsSync(dataPath('onnx-node'));

export interface OnnxNodeTest {
  readonly name: string;
  readonly imported: ImportedOnnx;
  readonly inputs: ReadonlyMap<string, AnyTensor>;
  /** In the order of the graph's outputs. */
  readonly outputs: readonly AnyTensor[];
}

/** Names of all tests, sorted. */
export function onnxNodeTests(): string[] {
  return readdirSync(dataPath('onnx-node'))
    .filter((name) => name.startsWith('test_'))
    .sort();
}

/** Reads one test. */
export function loadOnnxNodeTest(name: string): OnnxNodeTest {
  const pathOf = (...parts: string[]): string => dataPath('onnx-node', name, ...parts);
  const read = (file: string): AnyTensor => readTensorProto(readFileSync(pathOf('test_data_set_0', `${file}.pb`))).tensor;
  const constants: Record<string, AnyTensor> = {};
  // Bounds and switches that a network would hold as constants are inputs in these tests.
  if (name === 'test_clip_example') Object.assign(constants, { min: read('input_1'), max: read('input_2') });
  if (name === 'test_training_dropout_zero_ratio') Object.assign(constants, { r: read('input_1'), t: read('input_2') });
  const imported = importOnnx(readFileSync(pathOf('model.onnx')), { constants });
  const inputs = new Map<string, AnyTensor>();
  imported.info.inputs.forEach((input, i) => {
    if (!(input.name in constants)) inputs.set(input.name, read(`input_${i}`));
  });
  return { name, imported, inputs, outputs: imported.graph.outputs.map((_, i) => read(`output_${i}`)) };
}
