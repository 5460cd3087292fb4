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
  type Kept = Asked<Answer<LabMethods[K]>> & Question;
  const lab = useStore();
  const { edition } = useLab();
  const key = args === null ? null : JSON.stringify(args);
  const [kept, set] = useState<Kept>({ ...NOTHING, key: null, edition });
  useEffect(() => {
    const question = { key, edition };
    if (key === null) return set({ ...NOTHING, ...question });
    const controller = new AbortController();
    set((before) => ({ ...asking(before, question), ...question }));
    lab.client
      .call(method, JSON.parse(key) as Argument<LabMethods[K]>, {
        signal: controller.signal,
        onReport: (report) => set((before) => ({ ...before, report })),
      })
      .then(
        (answer) => set({ ...NOTHING, ...question, answer }),
        (error: unknown) => {
          if (controller.signal.aborted) return;
          // A device that is lost, or cannot be had, is told by the page, which asks again once there is one.
          const told = error instanceof CallError && ['lost', 'adapter', 'aborted'].includes(error.kind);
          set({ ...NOTHING, ...question, problem: told ? null : String((error as Error).message) });
        },
      );
    return () => controller.abort();
  }, [lab, method, key, edition]);
  // A question that is new with this drawing will be asked after it: from now on its answer is awaited.
  return kept.key === key && kept.edition === edition ? kept : asking(kept, { key, edition });
}

interface Question {
  readonly key: string | null;
  readonly edition: number;
}

const NOTHING = { answer: null, pending: false, problem: null, report: null };

/** What is shown while a question is awaited: the last answer, unless it is about another photo or model. */
function asking<T>(before: Asked<T> & Question, { key, edition }: Question): Asked<T> {
  if (key === null) return NOTHING;
  return { ...NOTHING, answer: before.edition === edition ? before.answer : null, pending: true };
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
