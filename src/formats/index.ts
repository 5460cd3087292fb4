/** File formats: bytes in, tensors and graphs out, and back. Nothing here touches a file system or a device. */
export { checkGraph, readGraph, writeGraph } from './graph-json.ts';
export { npyHeader, readNpy, readNpyIndices, readNpyTensor, writeNpy, type NpyArray } from './npy.ts';
export { findNonFinite, type NonFinite } from './numbers.ts';
export {
  importOnnx,
  readTensorProto,
  type ImportedOnnx,
  type NamedTensor,
  type OnnxInfo,
  type OnnxOptions,
  type ReadExternal,
} from './onnx/index.ts';
export { readSafetensors, writeSafetensors, type Safetensors, type WriteOptions } from './safetensors.ts';
