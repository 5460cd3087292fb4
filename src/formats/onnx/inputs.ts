/**
 * Shapes of the graph's inputs: what the file states, what the caller states, and the batch.
 */
import { FormatError } from '../../errors.ts';
import { formatShape, type Shape } from '../../tensor.ts';
import { formatList } from '../numbers.ts';
import type { Batch } from './builder.ts';
import type { Dim, ValueInfoProto } from './model.ts';
import { elementKind, elementTypeName } from './tensor-proto.ts';

export interface ResolvedInput {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: 'f32' | 'i32';
  readonly batched: boolean;
}

/** What the caller says about the shapes. */
export interface ShapeOptions {
  /** Replaces the first extent of the inputs that share a batch. */
  readonly batch?: number;
  /** Shapes by input name; they override what the file states. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
}

const isExtent = (extent: number): boolean => Number.isSafeInteger(extent) && extent >= 1;

/**
 * The inputs with all extents known. The batch is the first extent of the first input that has dimensions; an input whose first
 * extent is stated the same (number or symbol) shares it. An open batch is 1 unless given; any other open extent must be given.
 * @throws FormatError naming the input and what to give.
 */
export function resolveInputs(inputs: readonly ValueInfoProto[], options: ShapeOptions): { inputs: ResolvedInput[]; batch: Batch } {
  const given: Readonly<Record<string, readonly number[] | undefined>> = Object.assign(Object.create(null), options.inputShapes);
  for (const name of Object.keys(given)) {
    if (!inputs.some((input) => input.name === name)) {
      throw new FormatError(
        `onnx: expected inputShapes for ${inputs.map((input) => `"${input.name}"`).join(', ') || 'no input'}, got "${name}".`,
      );
    }
  }
  if (options.batch !== undefined && !isExtent(options.batch)) {
    throw new FormatError(`onnx: expected the batch to be a positive integer, got ${options.batch}.`);
  }
  const symbols = new Map<string, number>();
  const declared = inputs.map((input) => declaredDims(input, given));
  inputs.forEach((input, i) => bindSymbols(input.name, declared[i], given[input.name], symbols));

  const lead = inputs.findIndex((_, i) => declared[i].length > 0);
  const leadDim = lead < 0 ? undefined : declared[lead][0];
  const sharesBatch = (i: number): boolean => declared[i].length > 0 && (i === lead || (leadDim !== null && declared[i][0] === leadDim));
  const actual =
    options.batch ??
    (lead < 0 ? 1 : (given[inputs[lead].name]?.[0] ?? (typeof leadDim === 'number' ? leadDim : (symbols.get(leadDim ?? '') ?? 1))));
  const resolved = inputs.map((input, i): ResolvedInput => {
    const own = given[input.name];
    if (i === lead && own && own[0] !== actual) {
      throw new FormatError(`onnx: input "${input.name}": expected batch ${actual}, got inputShapes with ${own[0]}. Give one of them.`);
    }
    // A shape of its own may say that an input only happened to have the batch's extent.
    const batched = sharesBatch(i) && (!own || own[0] === actual);
    const shape = declared[i].map((dim, axis) => {
      if (batched && axis === 0) return actual;
      const extent = own?.[axis] ?? (typeof dim === 'string' ? symbols.get(dim) : dim);
      if (extent === undefined || extent === null) {
        throw new FormatError(
          `onnx: input "${input.name}": expected a known extent at axis ${axis}, ` +
            `got ${dim === null ? 'an open one' : `the symbol "${dim}"`}. Give its shape with inputShapes.`,
        );
      }
      return extent;
    });
    const kind = elementKind(input.type);
    if (kind !== 'float' && kind !== 'int') {
      throw new FormatError(
        `onnx: input "${input.name}": expected floats or integers, got ${elementTypeName(input.type)}. ` +
          'Export it as a constant, or give its value with constants.',
      );
    }
    return { name: input.name, shape, dtype: kind === 'float' ? 'f32' : 'i32', batched };
  });
  return { inputs: resolved, batch: { declared: typeof leadDim === 'number' ? leadDim : null, actual } };
}

/** The extents the file states, or open ones of the rank that the caller gives where it states none. */
function declaredDims(input: ValueInfoProto, given: Readonly<Record<string, readonly number[] | undefined>>): readonly Dim[] {
  const own = given[input.name];
  if (own && !own.every(isExtent)) {
    throw new FormatError(`onnx: input "${input.name}": expected inputShapes of positive integers, got ${formatList(own)}.`);
  }
  if (!input.dims) {
    if (own) return own.map(() => null);
    throw new FormatError(`onnx: input "${input.name}": expected a shape, got none in the file. Give it with inputShapes.`);
  }
  if (own && own.length !== input.dims.length) {
    throw new FormatError(
      `onnx: input "${input.name}": expected inputShapes of ${input.dims.length} dimensions as the file has, got ${formatShape(own)}.`,
    );
  }
  for (const dim of input.dims) {
    if (typeof dim === 'number' && !isExtent(dim)) {
      throw new FormatError(`onnx: input "${input.name}": expected positive extents, got ${dim}. The file is damaged.`);
    }
  }
  return input.dims;
}

/** A symbol that one input's given shape fixes holds for every input. */
function bindSymbols(name: string, dims: readonly Dim[], own: readonly number[] | undefined, symbols: Map<string, number>): void {
  if (!own) return;
  dims.forEach((dim, axis) => {
    if (typeof dim !== 'string') return;
    const known = symbols.get(dim);
    if (known !== undefined && known !== own[axis]) {
      throw new FormatError(
        `onnx: input "${name}": expected extent ${known} for the symbol "${dim}" as in another input, got ${own[axis]}.`,
      );
    }
    symbols.set(dim, own[axis]);
  });
}
