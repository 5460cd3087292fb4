/** The library's public names. */
export * from './errors.ts';
export { explain, planMemory, type PlanMemory, type PlanReport, type PlanRow } from './explain.ts';
export { readGraph, readNpy, readNpyTensor, readSafetensors, importOnnx, writeGraph, writeNpy, writeSafetensors } from './formats/index.ts';
export {
  adoptDevice,
  formatAdapter,
  listAdapters,
  openDevice,
  traitsOf,
  type AdapterOptions,
  type AdapterSummary,
  type Gpu,
} from './gpu/device.ts';
export { Executor, type ExecutorStats } from './gpu/executor.ts';
export { ParameterStore } from './gpu/store.ts';
export { typeGraph, withBatch, withInputShapes, type Graph, type GraphNode, type TypedGraph, type ValueSpec } from './graph.ts';
export { decodeImage } from './image/decode.ts';
export { preprocess, type Preprocess } from './image/preprocess.ts';
export { loadModel, type Model, type ModelCard } from './models/model.ts';
export {
  argmax,
  Network,
  posterior,
  type GradientOptions,
  type InputGradient,
  type Neuron,
  type ParameterGradients,
  type ScoreKind,
  type Target,
} from './network.ts';
export { compile, type CompileOptions, type DeviceTraits, type Plan, type Step } from './plan.ts';
export { backReference, runReference } from './reference/graph.ts';
export { RULES, type Rule, type RuleSpec } from './rule.ts';
export { formatShape, indexTensor, size, tensor, zeros, type AnyTensor, type IndexTensor, type Shape, type Tensor } from './tensor.ts';
export { gradcheck, type GradcheckOptions, type GradcheckReport } from './verify/gradcheck.ts';
export { VERSION } from './version.ts';
