/** How pictures become inputs, in the words of the command line and as one word in the address: `caffe;size=227`, `channels=rgb;mean=0`. */
import type { PreprocessOptions } from '../image/options.ts';

export const PREPROCESS_FIELDS = [
  'size',
  'fit',
  'resize',
  'channels',
  'scale',
  'mean',
  'std',
] as const satisfies readonly (keyof PreprocessOptions)[];

export function writePreprocess(options: PreprocessOptions): string {
  const fields = PREPROCESS_FIELDS.filter((field) => options[field] !== undefined).map((field) => `${field}=${options[field]}`);
  return [...(options.preprocess === undefined ? [] : [options.preprocess]), ...fields].join(';');
}

/** What {@link writePreprocess} wrote; undefined if it wrote no such thing. Whether the values are good is the model's to say. */
export function readPreprocess(text: string): PreprocessOptions | undefined {
  const options: { -readonly [K in keyof PreprocessOptions]: PreprocessOptions[K] } = {};
  for (const [index, part] of text.split(';').entries()) {
    const cut = part.indexOf('=');
    const field = PREPROCESS_FIELDS.find((name) => name === part.slice(0, cut));
    if (cut < 0 && index === 0 && part !== '') options.preprocess = part;
    else if (cut > 0 && field && options[field] === undefined) options[field] = part.slice(cut + 1);
    else return undefined;
  }
  return options;
}
