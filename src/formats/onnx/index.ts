export { importOnnx, type ImportedOnnx, type OnnxInfo, type OnnxOptions } from './import.ts';
export { readTensorProto, type NamedTensor, type ReadExternal } from './tensor-proto.ts';
