/** What a run is given: inputs and seeds, checked and written to where a plan has them. */
import { InputError } from '../errors.ts';
import type { Plan } from '../plan.ts';
import { formatShape, sameShape, size, type AnyTensor, type Tensor } from '../tensor.ts';
import type { Gpu } from './device.ts';
import { DeviceTensor } from './tensor.ts';

/** What a run takes: values from the host, or an f32 tensor that is on the device already. */
export type RunInput = AnyTensor | DeviceTensor;

/** Writes are in order with the runs around them, and are done with the host's memory when they return. */
export class Feed {
  constructor(
    readonly gpu: Gpu,
    readonly plan: Plan,
    /** The buffer of a tensor, by its id. */
    private readonly buffer: (id: string) => GPUBuffer,
  ) {}

  /** @throws InputError if an input is missing, or one has another name, shape or type than the plan's */
  inputs(inputs: Readonly<Record<string, RunInput>>): void {
    const { plan } = this;
    for (const name of Object.keys(inputs)) {
      if (!plan.inputs.includes(name) && !plan.unusedInputs.includes(name))
        throw new InputError(`input: expected one of ${plan.inputs.join(', ')}, got "${name}".`);
    }
    for (const name of plan.inputs) {
      const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
      const { id, shape, dtype } = plan.values[name];
      if (!value) throw new InputError(`input "${name}": expected a tensor ${formatShape(shape)}, got none.`);
      if (!sameShape(value.shape, shape)) {
        throw new InputError(
          `input "${name}": expected shape ${formatShape(shape)}, got ${formatShape(value.shape)}. Compile a plan for that shape.`,
        );
      }
      if (value instanceof DeviceTensor) {
        if (dtype === 'i32') throw new InputError(`input "${name}": expected i32, got f32 on the device. Give it from the host.`);
        new DeviceTensor(this.gpu, this.buffer(id), shape).copy(value);
      } else {
        checkData(`input "${name}"`, value, dtype === 'i32' ? Int32Array : Float32Array);
        this.#write(id, value);
      }
    }
  }

  /** @throws InputError if the plan has no target, or the seed is not of its shape */
  seed(seed: Tensor): void {
    const { plan } = this;
    if (plan.seed === undefined || plan.target === undefined) {
      throw new InputError('backward: expected a plan with a target, got one without. Compile with target.');
    }
    const { shape } = plan.tensors[plan.seed];
    if (!sameShape(seed.shape, shape)) {
      throw new InputError(`seed: expected the shape of "${plan.target}", ${formatShape(shape)}, got ${formatShape(seed.shape)}.`);
    }
    checkData('seed', seed, Float32Array);
    this.#write(plan.seed, seed);
  }

  /** The one tensor of a kind that belongs to the plan and not to its graph, if the plan has it. */
  own(kind: 'random' | 'rate', data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    const tensor = Object.values(this.plan.tensors).find((t) => t.kind === kind);
    if (tensor) this.gpu.device.queue.writeBuffer(this.buffer(tensor.id), 0, data);
  }

  #write(id: string, { data }: AnyTensor): void {
    this.gpu.device.queue.writeBuffer(this.buffer(id), 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }
}

/** Values that do not fill their shape would leave those of the last run in place; numbers of another type would be taken for bits. */
function checkData(what: string, { shape, data }: AnyTensor, type: typeof Float32Array | typeof Int32Array): void {
  if (!(data instanceof type))
    throw new InputError(`${what}: expected ${type === Int32Array ? 'i32' : 'f32'}, got ${(data as object).constructor.name}.`);
  if (data.length !== size(shape))
    throw new InputError(`${what}: expected ${size(shape)} values for shape ${formatShape(shape)}, got ${data.length}.`);
}
