/**
 * Which kernel computes a convolution on a GPU: tiles in workgroup memory, and into how many slabs a long sum is split so that there are enough
 * workgroups. Functions of shapes alone, so that results never vary.
 */

/** A kernel and what one invocation of it computes: pixels x output channels. */
export interface Variant {
  readonly shader: string;
  readonly entry: string;
  readonly pixels: number;
  readonly outputs: number;
}

/** Fewer input channels share one loop with the taps (measured: three times as fast with 3, a quarter faster with 16, slower with 64). */
export const FLAT_BELOW = 32;

/** Tiles in workgroup memory: of a workgroup, whose 128 or 64 invocations share the work. */
export interface Tile extends Variant {
  readonly threads: number;
}

const LARGE: Tile = { shader: 'conv2d_gemm', entry: 'gemm128x64', pixels: 64, outputs: 128, threads: 128 };
const MEDIUM: Tile = { shader: 'conv2d_gemm', entry: 'gemm64x64', pixels: 64, outputs: 64, threads: 128 };
const SMALL: Tile = { shader: 'conv2d_gemm', entry: 'gemm32x64', pixels: 64, outputs: 32, threads: 128 };
const MEDIUM_FLAT: Tile = { ...MEDIUM, entry: 'flat64x64' };
const SMALL_FLAT: Tile = { ...SMALL, entry: 'flat32x64' };

/** Products that a tile's slice holds. */
export const SLICE = 16;

/** Workgroups that fill a GPU of some 130 multiprocessors; a larger tile pays from there on (measured on an H100). */
export const FULL = 264;

/**
 * Workgroups that a sum is split for: small tiles need several to a multiprocessor, so that one computes while others load. More slabs cost more
 * in adding them up (measured on an H100: 256 and 768 workgroups are both slower).
 */
const CROWD = 420;

/**
 * The tile for a shape, and into how many slabs its sum is split so that there are enough workgroups. A function of shapes alone, so that
 * results never vary.
 */
export function chooseTile(
  pixels: number,
  inputs: number,
  outputs: number,
  taps: number,
  groups: number,
): { tile: Tile; slabs: number; slabSteps: number } | null {
  // Few outputs leave most of a tile empty.
  if (outputs <= 8 || pixels <= 4 || taps === 0) return null;
  const flat = taps > 1 && inputs < FLAT_BELOW;
  const workgroups = (tile: Tile): number => Math.ceil(pixels / tile.pixels) * Math.ceil(outputs / tile.outputs) * groups;
  let tile = flat ? SMALL_FLAT : SMALL;
  if (outputs > 32 && workgroups(MEDIUM) >= FULL) tile = flat ? MEDIUM_FLAT : MEDIUM;
  if (outputs > 64 && workgroups(LARGE) >= 2 * FULL && !flat) tile = LARGE;
  const steps = flat ? Math.ceil((taps * inputs) / SLICE) : taps * Math.ceil(inputs / SLICE);
  const wanted = Math.max(1, Math.min(Math.floor(CROWD / workgroups(tile)), Math.floor(steps / 8)));
  const slabSteps = Math.ceil(steps / wanted);
  return { tile, slabs: Math.ceil(steps / slabSteps), slabSteps };
}

/** The tile of dw for a shape, on GPUs. */
export function chooseWeightTile(outputs: number, columns: number): { entry: string; rows: number; columns: number; threads: number } {
  if (outputs > 64 && columns > 32) return { entry: 'gemm128x64', rows: 128, columns: 64, threads: 128 };
  if (outputs > 32 && columns > 32) return { entry: 'gemm64x64', rows: 64, columns: 64, threads: 128 };
  return { entry: 'gemm32x32', rows: 32, columns: 32, threads: 64 };
}

/** Pixels of dy that a slab has at least, where more slabs fill a GPU, and at most, so that no sum grows long. */
export const SLAB_PIXELS = [256, 8192] as const;
