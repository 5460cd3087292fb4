/** How components see the store, and ask the worker. */
import { createContext } from 'preact';
import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Picture } from '../../image/picture.ts';
import { CallError, type Answer, type Argument } from '../rpc.ts';
import type { LabMethods } from '../worker/main.ts';
import type { Lab, LabState } from './store.ts';

export const LabContext = createContext<Lab | null>(null);

export function useStore(): Lab {
  return useContext(LabContext)!;
}

/** The store's state; the component is drawn again when it changes. */
export function useLab(): LabState {
  const lab = useStore();
  const [state, set] = useState(lab.state);
  // Before paint, and once more for what changed since the first drawing.
  useLayoutEffect(() => {
    set(lab.state);
    return lab.subscribe(() => set(lab.state));
  }, [lab]);
  return state;
}

/** The last answer to a question, and whether a newer one is under way. */
export interface Asked<T> {
  readonly answer: T | null;
  readonly pending: boolean;
  readonly problem: string | null;
  /** What the method last reported of its progress. */
  readonly report: unknown;
}

/**
 * Asks the worker, again whenever the arguments, the model, the photo or the device change; the earlier question is then given up.
 * @param args null: nothing is to be asked now
 */
export function useAnswer<K extends keyof LabMethods & string>(
  method: K,
  args: Argument<LabMethods[K]> | null,
): Asked<Answer<LabMethods[K]>> {
  const lab = useStore();
  const { edition } = useLab();
  const [asked, set] = useState<Asked<Answer<LabMethods[K]>>>({ answer: null, pending: false, problem: null, report: null });
  const key = args === null ? null : JSON.stringify(args);
  const last = useRef(edition);
  useEffect(() => {
    // An answer about another photo or model is not shown while the next one is awaited.
    const keep = last.current === edition;
    last.current = edition;
    if (key === null) {
      set({ answer: null, pending: false, problem: null, report: null });
      return;
    }
    const controller = new AbortController();
    set((before) => ({ answer: keep ? before.answer : null, pending: true, problem: null, report: null }));
    lab.client
      .call(method, JSON.parse(key) as Argument<LabMethods[K]>, {
        signal: controller.signal,
        onReport: (report) => set((before) => ({ ...before, report })),
      })
      .then(
        (answer) => set({ answer, pending: false, problem: null, report: null }),
        (error: unknown) => {
          if (controller.signal.aborted) return;
          // A device that is lost, or cannot be had, is told by the page, which asks again once there is one.
          const told = error instanceof CallError && ['lost', 'adapter', 'aborted'].includes(error.kind);
          const problem = told ? null : String((error as Error).message);
          set({ answer: null, pending: false, problem, report: null });
        },
      );
    return () => controller.abort();
  }, [lab, method, key, edition]);
  return asked;
}

/** Draws a picture on a canvas of its own extents. */
export function usePicture(picture: Picture | null) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (!canvas.current || !picture) return;
    const { width, height } = picture;
    canvas.current.width = width;
    canvas.current.height = height;
    canvas.current.getContext('2d')!.putImageData(imageData(picture), 0, 0);
  }, [picture]);
  return canvas;
}

/** RGB or RGBA bytes as the canvas takes them. */
export function imageData({ width, height, data }: Picture): ImageData {
  const channels = data.length / (width * height);
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let i = 0, p = 0; i < rgba.length; i += 4, p += channels) {
    rgba[i] = data[p];
    rgba[i + 1] = data[p + 1];
    rgba[i + 2] = data[p + 2];
    rgba[i + 3] = channels === 4 ? data[p + 3] : 255;
  }
  return new ImageData(rgba, width, height);
}
