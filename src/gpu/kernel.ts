/**
 * The shader is the single source of truth: bindings, their access, the uniform block and the workgroup size are read from the WGSL itself,
 * and what a step binds is held against them. Pipelines are compiled once per shader, entry point and set of constants.
 */
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { ShaderError, ValidationError } from '../errors.ts';
import { ShaderStage } from './constants.ts';
import { untilLost, withErrorScopes, type Gpu } from './device.ts';

/** One scalar, vector or array of the uniform block. */
interface Field {
  readonly name: string;
  readonly offset: number;
  /** 32-bit words it holds. */
  readonly words: number;
  readonly scalar: 'f32' | 'i32' | 'u32';
}

/** A variable that an entry point uses. */
export interface Binding {
  readonly name: string;
  readonly binding: number;
  readonly kind: 'uniform' | 'read' | 'write';
}

export interface EntryPoint {
  readonly name: string;
  readonly bindings: readonly Binding[];
  /** Invocations in a workgroup. */
  readonly workgroupSize: number;
}

/** What reflection tells of one WGSL file. */
export interface ShaderInfo {
  readonly name: string;
  readonly source: string;
  readonly entries: ReadonlyMap<string, EntryPoint>;
  readonly overrides: readonly string[];
  /** The uniform block; no fields where there is none. */
  readonly fields: readonly Field[];
  readonly uniformBytes: number;
}

const reflected = new Map<string, ShaderInfo>();

/**
 * Reads a shader's interface. Results are cached by source.
 * @throws ShaderError if it does not parse, uses a group other than 0, or has a workgroup size that is not written in digits.
 */
export function reflect(name: string, source: string): ShaderInfo {
  const cached = reflected.get(source);
  if (cached) return cached;
  let module: WgslReflect;
  try {
    module = new WgslReflect(source);
  } catch (error) {
    throw new ShaderError(`${name}.wgsl: expected valid WGSL, got ${error instanceof Error ? error.message : String(error)}.`);
  }
  const entries = new Map<string, EntryPoint>();
  for (const entry of module.entry.compute) {
    const bindings = entry.resources.map((resource): Binding => {
      if (resource.group !== 0) throw new ShaderError(`${name}.wgsl: expected ${resource.name} in group 0, got group ${resource.group}.`);
      // wgsl_reflect calls a uniform's access "read" too; its resource type tells them apart (0 uniform, 1 storage).
      const kind = resource.resourceType === 0 ? 'uniform' : resource.access === 'read_write' ? 'write' : 'read';
      return { name: resource.name, binding: resource.binding, kind };
    });
    bindings.sort((a, b) => a.binding - b.binding);
    const given = entry.attributes?.find((attribute) => attribute.name === 'workgroup_size')?.value;
    const sizes = (Array.isArray(given) ? given : [given]).map(Number);
    if (!sizes.every((n) => Number.isInteger(n) && n > 0)) {
      throw new ShaderError(`${name}.wgsl: expected ${entry.name} to have a workgroup size in digits, got ${String(given)}.`);
    }
    entries.set(entry.name, { name: entry.name, bindings, workgroupSize: sizes.reduce((a, b) => a * b, 1) });
  }
  const block = module.uniforms[0];
  const members = block ? ((block.type as { members?: readonly Member[] }).members ?? []) : [];
  const info: ShaderInfo = {
    name,
    source,
    entries,
    // Of the module, not of the entry: reflection misses overrides used only by the functions that an entry calls.
    overrides: module.overrides.map((o) => o.name),
    fields: members.map((member) => field(name, member)),
    uniformBytes: block ? Math.ceil(block.size / 16) * 16 : 0,
  };
  reflected.set(source, info);
  return info;
}

interface Member {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly type: { readonly name: string; readonly format?: { readonly name: string } | null };
}

function field(shader: string, { name, offset, size, type }: Member): Field {
  // f32, vec4u, vec4<u32>, array<vec4u, 2>: the letter or word behind tells the scalar.
  const element = type.format?.name ?? type.name;
  const scalar = /(?:^|<)f32|vec\df$|^f32/.test(element)
    ? 'f32'
    : /i32|vec\di$/.test(element)
      ? 'i32'
      : /u32|vec\du$/.test(element)
        ? 'u32'
        : null;
  if (scalar === null) throw new ShaderError(`${shader}.wgsl: expected ${name} to be made of f32, i32 or u32, got ${type.name}.`);
  return { name, offset, words: size / 4, scalar };
}

/**
 * Writes `geometry` into the layout of the shader's uniform block. Fields left out are zero.
 * @throws ShaderError for a name the block does not have, too many values, or a value that its type cannot hold.
 */
export function packGeometry(info: ShaderInfo, geometry: Readonly<Record<string, number | readonly number[]>>, into: DataView): void {
  for (const [name, value] of Object.entries(geometry)) {
    const target = info.fields.find((f) => f.name === name);
    if (target === undefined) {
      throw new ShaderError(
        `${info.name}.wgsl: expected geometry among ${info.fields.map((f) => f.name).join(', ') || 'nothing'}, got ${Object.keys(geometry).join(', ')}.`,
      );
    }
    const values = typeof value === 'number' ? [value] : value;
    if (values.length > target.words)
      throw new ShaderError(`${info.name}.wgsl: expected at most ${target.words} values for ${name}, got ${values.length}.`);
    values.forEach((v, i) => {
      const at = target.offset + 4 * i;
      if (target.scalar === 'f32') into.setFloat32(at, v, true);
      else {
        const [low, high] = target.scalar === 'i32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
        if (!Number.isInteger(v) || v < low || v > high)
          throw new ShaderError(`${info.name}.wgsl: expected ${name} to be ${target.scalar}, got ${v}.`);
        into.setUint32(at, v >>> 0, true);
      }
    });
  }
}

/** A compiled entry point. */
export interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly entry: EntryPoint;
  readonly info: ShaderInfo;
}

/** What compiling has cost so far. */
export interface CompileStats {
  readonly pipelines: number;
  /** Wall time with at least one compilation under way, in ms. */
  readonly ms: number;
}

/** Pipelines of one device. */
export class KernelCache {
  static readonly #caches = new WeakMap<Gpu, KernelCache>();

  /** The cache of a device: pipelines are shared by all plans that run on it. */
  static of(gpu: Gpu): KernelCache {
    let cache = this.#caches.get(gpu);
    if (!cache) this.#caches.set(gpu, (cache = new KernelCache(gpu)));
    return cache;
  }

  readonly #kernels = new Map<string, Promise<Kernel>>();
  readonly #modules = new Map<string, Promise<GPUShaderModule>>();
  #pipelines = 0;
  #busy = 0;
  #since = 0;
  #ms = 0;

  private constructor(private readonly gpu: Gpu) {}

  get stats(): CompileStats {
    return { pipelines: this.#pipelines, ms: this.#ms + (this.#busy > 0 ? performance.now() - this.#since : 0) };
  }

  /**
   * The kernel of an entry point under a set of constants.
   * @throws ShaderError if there is no such entry point or override, or it does not compile.
   */
  get(name: string, source: string, entry: string, constants: Readonly<Record<string, number>>): Promise<Kernel> {
    const key = JSON.stringify([source.length, name, entry, Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1))]) + source;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = this.#compile(name, source, entry, constants);
      // A failure is reported to whoever asked; it must not be remembered as if it were a kernel.
      kernel.catch(() => this.#kernels.delete(key));
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  async #compile(name: string, source: string, entryName: string, constants: Readonly<Record<string, number>>): Promise<Kernel> {
    const info = reflect(name, source);
    const entry = info.entries.get(entryName);
    if (!entry)
      throw new ShaderError(`${name}.wgsl: expected an entry point among ${[...info.entries.keys()].join(', ')}, got "${entryName}".`);
    const unknown = Object.keys(constants).filter((constant) => !info.overrides.includes(constant));
    if (unknown.length > 0) {
      throw new ShaderError(`${name}.wgsl: expected overrides among ${info.overrides.join(', ') || 'nothing'}, got ${unknown.join(', ')}.`);
    }
    const { device } = this.gpu;
    const where = { label: `${name}.wgsl ${entryName}` };
    if (this.#busy++ === 0) this.#since = performance.now();
    try {
      const module = await this.#module(info);
      const { layout, pipeline } = await withErrorScopes(this.gpu, where, () => {
        const layout = device.createBindGroupLayout({
          label: where.label,
          entries: entry.bindings.map(({ binding, kind }) => ({
            binding,
            visibility: ShaderStage.COMPUTE,
            buffer: { type: kind === 'uniform' ? 'uniform' : kind === 'read' ? 'read-only-storage' : 'storage' },
          })),
        });
        const pipeline = device.createComputePipelineAsync({
          label: where.label,
          layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module, entryPoint: entryName, constants: { ...constants } },
        });
        // Where a scope or a loss tells first, nobody awaits this.
        pipeline.catch(() => {});
        return { layout, pipeline };
      });
      const kernel = { pipeline: await untilLost(this.gpu, where, pipeline), layout, entry, info };
      this.#pipelines++;
      return kernel;
    } finally {
      if (--this.#busy === 0) this.#ms += performance.now() - this.#since;
    }
  }

  /** A shader's module, made once however many entry points are compiled at the same time. */
  #module(info: ShaderInfo): Promise<GPUShaderModule> {
    let module = this.#modules.get(info.source);
    if (!module) {
      module = this.#makeModule(info);
      module.catch(() => this.#modules.delete(info.source));
      this.#modules.set(info.source, module);
    }
    return module;
  }

  async #makeModule(info: ShaderInfo): Promise<GPUShaderModule> {
    const where = { label: `${info.name}.wgsl` };
    let module!: GPUShaderModule;
    try {
      await withErrorScopes(this.gpu, where, () => {
        module = this.gpu.device.createShaderModule({ label: where.label, code: info.source });
      });
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      // Asked of the module that failed: a second one, made outside the scopes, would report its error to nobody in particular.
      const { messages } = await untilLost(this.gpu, where, module.getCompilationInfo());
      const first = messages.find((message) => message.type === 'error');
      throw first ? new ShaderError(caret(info, first)) : error;
    }
    return module;
  }
}

function caret({ name, source }: ShaderInfo, { lineNum, linePos, message }: GPUCompilationMessage): string {
  const line = source.split('\n')[lineNum - 1] ?? '';
  return `${name}.wgsl:${lineNum}:${linePos} ${message}\n${line}\n${' '.repeat(Math.max(0, linePos - 1))}^`;
}
