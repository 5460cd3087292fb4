// OpenCV's grabCut, as an oracle for the preset of that name.
import module from '@techstark/opencv-js';
import type { Picture } from '../src/image/picture.ts';
import type { Mixture } from '../src/segment/gmm.ts';
import { BACKGROUND, FOREGROUND } from '../src/segment/seeds.ts';

/** The few names of OpenCV that are used here. */
interface OpenCv {
  onRuntimeInitialized: () => void;
  readonly CV_8UC3: number;
  readonly CV_8UC1: number;
  readonly GC_INIT_WITH_MASK: number;
  Mat: new (rows?: number, columns?: number, type?: number) => Mat;
  Rect: new () => unknown;
  setRNGSeed(seed: number): void;
  grabCut(image: Mat, mask: Mat, rect: unknown, background: Mat, foreground: Mat, iterations: number, mode: number): void;
}

interface Mat {
  readonly data: Uint8Array;
  readonly data64F: Float64Array;
  delete(): void;
}

let ready: Promise<void> | undefined;

/** Once OpenCV runs. The module has a `then` that gives the module itself: whatever resolves to it waits for ever, so nothing does. */
async function open(): Promise<void> {
  const cv = module as unknown as OpenCv;
  ready ??= new Promise((resolve) => (cv.onRuntimeInitialized = resolve));
  await ready;
}

/** OpenCV's values of a mask's pixels. */
const SURE_BACKGROUND = 0;
const SURE_FOREGROUND = 1;
const PROBABLE_BACKGROUND = 2;

/**
 * grabCut from seeds that are all hard, undecided pixels being probable background: the mask, and the models its last cut was made with.
 */
export async function openCvGrabCut(
  { width, height, data }: Picture,
  seeds: Uint8Array,
  iterations: number,
  seed: number,
): Promise<{ readonly mask: Uint8Array; readonly foreground: Mixture; readonly background: Mixture }> {
  await open();
  const cv = module as unknown as OpenCv;
  const [image, labels, bgd, fgd] = [
    new cv.Mat(height, width, cv.CV_8UC3),
    new cv.Mat(height, width, cv.CV_8UC1),
    new cv.Mat(),
    new cv.Mat(),
  ];
  try {
    image.data.set(data);
    labels.data.set(seeds.map((s) => (s === FOREGROUND ? SURE_FOREGROUND : s === BACKGROUND ? SURE_BACKGROUND : PROBABLE_BACKGROUND)));
    cv.setRNGSeed(seed);
    cv.grabCut(image, labels, new cv.Rect(), bgd, fgd, iterations, cv.GC_INIT_WITH_MASK);
    return { mask: labels.data.map((label) => label & 1), foreground: mixture(fgd.data64F), background: mixture(bgd.data64F) };
  } finally {
    for (const mat of [image, labels, bgd, fgd]) mat.delete();
  }
}

/** OpenCV's row of numbers: five weights, five means, five covariances in full. */
function mixture(row: Float64Array): Mixture {
  return [0, 1, 2, 3, 4]
    .filter((k) => row[k] > 0)
    .map((k) => {
      const c = 20 + 9 * k;
      return {
        weight: row[k],
        mean: [row[5 + 3 * k], row[6 + 3 * k], row[7 + 3 * k]],
        covariance: [row[c], row[c + 1], row[c + 2], row[c + 4], row[c + 5], row[c + 8]],
      };
    });
}
