/**
 * What the device can do at most, measured: multiply-adds without memory, memory without arithmetic, and a dispatch with neither. Each kernel's
 * result is checked before its time is taken.
 */
import { EngineError } from '../errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { GpuTimer } from '../gpu/timer.ts';
import { RoofKernels } from './roofKernels.ts';
import { timeDispatches, type SampleOptions, type Timing } from './samples.ts';

/** Multiply-adds in f32. */
export interface FmaRoof {
  readonly entry: string;
  /** 2 FLOP to a multiply-add, by the best sample: a roof is what the device can do, not what it does on average. */
  readonly gflops: number;
  readonly timing: Timing;
}

/** A stream over memory. */
export interface StreamRoof {
  readonly kind: 'read' | 'copy';
  /** What is moved in all: what is read, and of a copy what is written too. */
  readonly bytes: number;
  readonly gbs: number;
  readonly timing: Timing;
}

/** All that was measured of a device. */
export interface Roofs {
  readonly fma: readonly FmaRoof[];
  readonly streams: readonly StreamRoof[];
  /** One empty dispatch among many in one pass, in ms. */
  readonly dispatchMs: number;
  /** One empty dispatch submitted alone until the host hears of its end, in ms: median. */
  readonly submitMs: number;
}

/** Multiply-adds of one invocation in one turn, by entry point. */
const FMA = { fmaScalar: 16 * 64, fmaVector: 16 * 64 * 4 } as const;

const MIB = 2 ** 20;

/** Sizes of streams in bytes. The last is beyond the caches of most. */
const SIZES = { gpu: [4 * MIB, 32 * MIB, 256 * MIB], software: [MIB, 8 * MIB, 64 * MIB] };

export interface RoofOptions extends SampleOptions {
  /** Told before each of the measurements; what it throws ends them. */
  readonly onRoof?: (done: number, total: number) => void;
}

/**
 * Measures the roofs of a device.
 * @throws EngineError if a kernel's result is wrong
 */
export async function measureRoofs(gpu: Gpu, timer: GpuTimer, options: RoofOptions): Promise<Roofs> {
  const { limits } = gpu.device;
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const sizes = SIZES[gpu.info.software ? 'software' : 'gpu'].filter((bytes) => bytes <= most);
  const entries = ['fmaScalar', 'fmaVector'] as const;
  const kinds = ['read', 'copy'] as const;
  const total = entries.length + sizes.length * kinds.length + 1;
  const bench = new RoofKernels(gpu);
  try {
    const fma: FmaRoof[] = [];
    const streams: StreamRoof[] = [];
    const next = (): void => options.onRoof?.(fma.length + streams.length, total);
    for (const entry of entries) {
      next();
      fma.push(await measureFma(bench, timer, entry, options));
    }
    for (const bytes of sizes) {
      for (const kind of kinds) {
        next();
        streams.push(await measureStream(bench, timer, kind, bytes, options));
      }
    }
    next();
    const word = await bench.buffer(16);
    const nothing = await bench.dispatch('nothing', { word }, {}, 1);
    const many = await timeDispatches(timer, [nothing], options);
    const alone: number[] = [];
    for (let i = 0; i < options.samples; i++) alone.push((await timer.measure([nothing])).wallMs);
    alone.sort((a, b) => a - b);
    return { fma, streams, dispatchMs: many.device.median, submitMs: alone[alone.length >> 1] };
  } finally {
    bench.dispose();
  }
}

async function measureFma(bench: RoofKernels, timer: GpuTimer, entry: keyof typeof FMA, options: SampleOptions): Promise<FmaRoof> {
  const invocations = bench.gpu.info.software ? 2048 : 2 ** 18;
  const turns = bench.gpu.info.software ? 8 : 32;
  const sums = await bench.buffer(4 * invocations);
  const [a, b] = [0.75, 0.25];
  const dispatch = await bench.dispatch(entry, { sums }, { invocations, turns, a, b }, invocations);
  await timer.measure([dispatch]);
  // Every chain goes to b / (1 - a) = 1, whatever it began with.
  const want = entry === 'fmaVector' ? 64 : 16;
  const got = new Float32Array(await bench.read(sums, 4 * invocations));
  const wrong = got.findIndex((v) => !(Math.abs(v - want) < 1e-4 * want));
  if (wrong >= 0) throw new EngineError(`roof ${entry}: expected ${want} from invocation ${wrong}, got ${got[wrong]}.`);
  const timing = await timeDispatches(timer, [dispatch], options);
  return { entry, gflops: (2 * FMA[entry] * turns * invocations) / (timing.device.min * 1e6), timing };
}

async function measureStream(
  bench: RoofKernels,
  timer: GpuTimer,
  kind: StreamRoof['kind'],
  bytes: number,
  options: SampleOptions,
): Promise<StreamRoof> {
  const own = kind === 'copy' ? bytes / 2 : bytes;
  const count = own / 16;
  const invocations = Math.min(count / 8, bench.gpu.info.software ? 4096 : 2 ** 17);
  const words = new Uint32Array(own / 4).fill(1);
  if (kind === 'copy') for (let i = 0; i < words.length; i++) words[i] = i;
  const source = await bench.buffer(own);
  bench.gpu.device.queue.writeBuffer(source, 0, words);
  const target = await bench.buffer(kind === 'copy' ? own : 4 * invocations);
  const bind: Record<string, GPUBuffer> = kind === 'copy' ? { source, result: target } : { source, sums: target };
  const dispatch = await bench.dispatch(`${kind}Stream`, bind, { count, invocations }, invocations);
  await timer.measure([dispatch]);
  const made = await bench.read(target, kind === 'copy' ? own : 4 * invocations);
  const got = kind === 'copy' ? new Uint32Array(made) : new Float32Array(made);
  const each = (4 * count) / invocations;
  const wrong = got.findIndex((v, i) => v !== (kind === 'copy' ? i : each));
  if (wrong >= 0) throw new EngineError(`roof ${kind}: expected ${kind === 'copy' ? wrong : each} at ${wrong}, got ${got[wrong]}.`);
  const timing = await timeDispatches(timer, [dispatch], options);
  bench.release(source, target);
  return { kind, bytes, gbs: bytes / (timing.device.min * 1e6), timing };
}

/** The better of two measurements of the same device, taken before and after the cases. */
export function bestRoofs(a: Roofs, b: Roofs): Roofs {
  return {
    fma: a.fma.map((one, i) => (b.fma[i].gflops > one.gflops ? b.fma[i] : one)),
    streams: a.streams.map((one, i) => (b.streams[i].gbs > one.gbs ? b.streams[i] : one)),
    dispatchMs: Math.min(a.dispatchMs, b.dispatchMs),
    submitMs: Math.min(a.submitMs, b.submitMs),
  };
}

/** The most multiply-adds a second, in GFLOP/s. */
export const peakGflops = ({ fma }: Roofs): number => Math.max(...fma.map(({ gflops }) => gflops));

/**
 * The fastest stream that moves at least as much as a case, in GB/s: a case that fits a cache is held against what the cache gives. Beyond the
 * largest size, the fastest at that size.
 */
export function streamGbs({ streams }: Roofs, bytes: number): number {
  const largest = Math.max(...streams.map((stream) => stream.bytes));
  return Math.max(...streams.filter((stream) => stream.bytes >= Math.min(bytes, largest)).map(({ gbs }) => gbs));
}

/**
 * The time below which no kernel with this work can stay on this device, in ms: what its arithmetic takes at the roof, or its bytes, whichever is longer.
 */
export function leastMs(roofs: Roofs, { flop, bytes }: { readonly flop: number; readonly bytes: number }): number {
  return Math.max(flop / (peakGflops(roofs) * 1e6), bytes / (streamGbs(roofs, bytes) * 1e6));
}
