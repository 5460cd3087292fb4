/**
 * The command line's words on preprocessing, laid over a model's card or a preset.
 */
import { InputError } from '../errors.ts';
import type { Shape } from '../tensor.ts';
import { formatShape } from '../tensor.ts';
import type { Channels, Preprocess } from './preprocess.ts';
import { channelCount, checkPreprocess, inputSize, PRESETS } from './preprocess.ts';

/** Options as typed, without their dashes. */
export interface PreprocessOptions {
  /** A name of {@link PRESETS}. */
  readonly preprocess?: string;
  /** `224`, or height x width as `224x320`. */
  readonly size?: string;
  readonly fit?: string;
  readonly resize?: string;
  /** Row and column as `1,1`, or one number for both. */
  readonly cut?: string;
  readonly channels?: string;
  /** A number, or a fraction as `1/255`. */
  readonly scale?: string;
  /** A number for each channel as `104,117,123`, or one for all. */
  readonly mean?: string;
  readonly std?: string;
}

/**
 * The specification for a model with the given input shape [N, C, H, W]: the options where they speak, then the preset if one is named,
 * then the card; then the size of the model's input, fit crop, scale 1 and std 1. Which of RGB and BGR, and the mean, are never guessed.
 *
 * - A preset brings channels, scale, mean and std, and its fit where there is no card; size, fit and resize of a card stay.
 * - `--size` scales a card's resize with it. `--fit squash` drops it. A card's cut stays only where its size and resize stay.
 * - `--channels` in another order than the card's or preset's needs `--mean` and `--std` too, unless these are equal for all channels: they
 *   are listed in channel order, and turning them round silently would be right only for a card that was right before.
 * - A card's mean image stays where neither `--mean` nor a preset replaces it. It is pixels in one size, unit and order: with another size,
 *   scale or order, `--mean` is needed.
 *
 * Whether a model can take another size than its own is the graph's to say.
 * @throws InputError naming the option that is missing or wrong.
 */
export function resolvePreprocess(input: Shape, card: Preprocess | undefined, options: PreprocessOptions): Preprocess {
  const preset = options.preprocess === undefined ? undefined : findPreset(options.preprocess);
  const own = inputSize(input);
  const fit = options.fit ?? card?.fit ?? preset?.fit ?? 'crop';
  const size = options.size === undefined ? (card?.size ?? own) : parseSize(options.size);
  const base = preset ?? card;
  const channels = options.channels ?? base?.channels ?? (input[1] === 1 ? 'grey' : undefined);
  if (channels === undefined || (base === undefined && options.mean === undefined)) {
    const missing = channels === undefined ? '--channels' : '--mean';
    throw new InputError(
      `preprocess: expected to be told how a picture becomes the input, got no ${missing} and no card.` +
        ' Give --preprocess caffe or torchvision, or --channels and --mean, or a card beside the model.',
    );
  }
  const count = Object.hasOwn({ rgb: 1, bgr: 1, grey: 1 }, channels) ? channelCount(channels as Channels) : 3;
  const turned = base !== undefined && base.channels !== channels;
  const list = (name: 'mean' | 'std', fallback: number): number[] => {
    const typed = options[name];
    if (typed !== undefined) {
      const values = typed.split(',').map((part) => parseNumber(part, `--${name}`));
      return values.length === 1 ? Array<number>(count).fill(values[0]) : values;
    }
    const inherited = base?.[name] ?? [fallback];
    if (inherited.every((value) => value === inherited[0])) return Array<number>(count).fill(inherited[0]);
    if (turned) {
      const given = `${inherited.join(',')} of ${base!.channels}`;
      throw new InputError(`preprocess: expected --${name} in the order of --channels ${channels}, got ${given}. Give --${name} too.`);
    }
    return [...inherited];
  };
  const meanImage = options.mean === undefined && preset === undefined ? card?.meanImage : undefined;
  if (meanImage) checkMeanImageStays(card!, { size, channels, scale: options.scale });
  const spec = checkPreprocess(
    {
      size: [...size],
      fit,
      resize: options.resize === undefined ? inheritedResize(card, size, fit) : parseNumber(options.resize, '--resize'),
      cut: options.cut === undefined ? inheritedCut(card, options, fit) : parseCut(options.cut),
      channels,
      scale: options.scale === undefined ? (base?.scale ?? 1) : parseNumber(options.scale, '--scale'),
      mean: list('mean', 0),
      std: list('std', 1),
      meanImage,
    },
    (message) => {
      throw new InputError(`preprocess: ${message} See the options --size, --fit, --resize, --cut, --channels, --scale, --mean, --std.`);
    },
  );
  if (input[1] !== channelCount(spec.channels)) {
    const advice: Record<number, string> = { 1: 'Give --channels grey and --mean.', 3: 'Give --channels rgb or bgr, and --mean.' };
    const given = `${spec.channels} (${channelCount(spec.channels)})`;
    throw new InputError(
      `preprocess: expected channels for an input of shape ${formatShape(input)}, got ${given}. ${advice[input[1]] ?? 'Give a .npy file.'}`,
    );
  }
  return spec;
}

/** @throws InputError if the input differs from what the card's mean image is an image of */
function checkMeanImageStays(
  card: Preprocess,
  { size, channels, scale }: { readonly size: readonly number[]; readonly channels: string; readonly scale: string | undefined },
): void {
  const refuse = (option: string, own: string, given: string): never => {
    throw new InputError(
      `${option}: expected ${own}, as the card's mean image is, got ${given}. Leave ${option} out, or give --mean, a number for each channel.`,
    );
  };
  const [height, width] = card.size;
  if (size[0] !== height || size[1] !== width) refuse('--size', `${height}x${width}`, size.join('x'));
  if (channels !== card.channels) refuse('--channels', card.channels, JSON.stringify(channels));
  if (scale !== undefined && parseNumber(scale, '--scale') !== card.scale) refuse('--scale', String(card.scale), scale);
}

function findPreset(name: string): (typeof PRESETS)[keyof typeof PRESETS] {
  if (!Object.hasOwn(PRESETS, name)) {
    const names = Object.keys(PRESETS).join(' or ');
    throw new InputError(`--preprocess: expected ${names}, got ${JSON.stringify(name)}. Or give --channels, --scale, --mean and --std.`);
  }
  return PRESETS[name as keyof typeof PRESETS];
}

function parseSize(text: string): [number, number] {
  const match = /^\s*(\d{1,9})(?:\s*[x,]\s*(\d{1,9}))?\s*$/i.exec(text);
  if (!match) {
    throw new InputError(`--size: expected pixels, or height x width as 224x320, got ${JSON.stringify(text)}. Write say --size 224.`);
  }
  return [Number(match[1]), Number(match[2] ?? match[1])];
}

function parseCut(text: string): [number, number] {
  const values = text.split(',').map((part) => parseNumber(part, '--cut'));
  if (values.length > 2) throw new InputError(`--cut: expected row,column, got ${JSON.stringify(text)}. Write say --cut 1,1.`);
  return [values[0], values.at(-1)!];
}

function parseNumber(text: string, option: string): number {
  const number = (part: string): number => (/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(part) ? Number(part) : NaN);
  const parts = text.split('/');
  const value = parts.length === 2 ? number(parts[0]) / number(parts[1]) : parts.length === 1 ? number(text) : NaN;
  if (!Number.isFinite(value)) {
    throw new InputError(`${option}: expected a number, got ${JSON.stringify(text)}. Write for example 0.5 or 1/255, lists with commas.`);
  }
  return value;
}

/** A card's resize belongs to the card's size: with another size it grows or shrinks in proportion. */
function inheritedResize(card: Preprocess | undefined, size: readonly [number, number], fit: string): number | undefined {
  if (card?.resize === undefined || fit !== 'crop') return undefined;
  return Math.round((card.resize * Math.max(...size)) / Math.max(...card.size));
}

/** A card's cut is a place in its own resized picture. */
function inheritedCut(card: Preprocess | undefined, { size, resize }: PreprocessOptions, fit: string): Preprocess['cut'] {
  return size === undefined && resize === undefined && fit === 'crop' ? card?.cut : undefined;
}
