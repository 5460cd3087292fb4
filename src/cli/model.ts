/** The model that a command is given: a file or a name; and how fetching one is told. */
import type { FetchOptions } from '../models/fetch.ts';
import type { Model } from '../models/model.ts';
import { openModel as openNamed } from '../models/resolve.ts';
import { progress, type Progress } from './progress.ts';
import { bytes } from './sizes.ts';

/** The help of `--model`, and of arguments that are models. */
export const MODEL_HELP = 'model: .onnx, Graph JSON with .safetensors beside it, or a name (see "backlight models")';

/**
 * The model that an option names: a file, a name of the registry, fetched if need be, or `default`, the shipped network.
 * @throws InputError, FormatError
 */
export async function openModel(nameOrPath: string): Promise<Model> {
  const { stop, ...report } = fetchReport(nameOrPath);
  try {
    return await openNamed(nameOrPath, report);
  } finally {
    stop();
  }
}

/**
 * What fetching is given so that a person sees what happens, on stderr: from where, what was there, a bar, and that another process is at
 * it. Nothing is printed for a model that is there. `stop` takes the bar away.
 */
export function fetchReport(name: string): FetchOptions & { readonly stop: () => void } {
  let bar: Progress | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    onSource(url, have) {
      stop();
      console.error(`${name}: ${have > 0 ? `going on at ${bytes(have)}` : 'fetching'} from ${url}`);
    },
    onProgress(done, total) {
      (bar ??= progress(total, name, { show: bytes, from: done })).tick(done);
    },
    onWait(owner) {
      console.error(`${name}: waiting for ${owner}, which is fetching it`);
    },
    stop,
  };
}
