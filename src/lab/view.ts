/**
 * What the page shows, as data: it fits in the address, so that a view can be shared and reloaded. What is as it is by default is left out.
 */
import { COLOURS, DEFAULT_CLIP, type Colours } from '../image/colour.ts';
import type { PreprocessOptions } from '../image/options.ts';
import { SCORE_KINDS, type ScoreKind } from '../network.ts';
import { DEFAULT_RULES, parseAxis, RULE_AXES, type LayerRules, type RuleAxis, type RuleSpec } from '../rule.ts';
import type { Display } from '../visualise/classmodelPicture.ts';
import type { ClassModelPreset } from '../visualise/classmodelPresets.ts';
import { REDUCTIONS, type Reduce } from '../visualise/reduce.ts';
import { readPreprocess, writePreprocess } from './preprocess.ts';

export const TABS = ['look', 'layers', 'model', 'bench'] as const;

export type Tab = (typeof TABS)[number];

/** How a map is shown: over the photo, by itself, or not at all. */
export const SHOWS = ['overlay', 'map', 'photo'] as const;

export type Show = (typeof SHOWS)[number];

/** Where the colours of pictures side by side end: all at one place, or each at its own. */
export const SCALES = ['shared', 'own'] as const;

export type Scale = (typeof SCALES)[number];

/** What is shown of a layer's units: what they hold, what arrives there on the way down, which gates are open, which place won each window. */
export const MAP_KINDS = ['value', 'signal', 'mask', 'switches'] as const;

/** How channels become one map: their sum, or their Euclidean norm. */
export const FOLDS = ['sum', 'norm'] as const;

/** Where a class model's ingredients come from: the demo's recipe, which suits any input, or one that was published. */
export const PRESETS = ['demo', 'paper', 'cs231n', 'deepvis'] as const satisfies readonly ('demo' | ClassModelPreset)[];

export const DISPLAYS = ['clip', 'stretch'] as const satisfies readonly Display[];

/** Which cases the bench times: one of each kind, or all that suit the adapter. */
export const BENCH_SETS = ['quick', 'full'] as const;

/** What a view without an address shows. */
export interface View {
  readonly tab: Tab;
  /** `default`, a name of the registry, or `file:NAME` for a file of the visitor's own. */
  readonly model: string;
  /** How a picture becomes its input, and what its classes are called, where the visitor says it because the model does not. */
  readonly preprocess: PreprocessOptions | null;
  readonly labels: 'ilsvrc2012' | null;
  /** The name of a sample, or `file:NAME`. */
  readonly photo: string;
  /** The class that is looked at; null: the best one. */
  readonly class: number | null;
  readonly score: ScoreKind;
  readonly views: 1 | 10;
  /** Rules of every layer. */
  readonly rules: LayerRules;
  /** Of some layers, by node name or pattern: ReLU's rule, max-pool's or LRN's by name. */
  readonly at: Readonly<Record<string, string>>;
  readonly reduce: Reduce;
  /** Percentile of magnitudes at which colours end. */
  readonly clip: number;
  readonly colours: Colours;
  readonly show: Show;
  readonly scale: Scale;
  /** The layer that is looked into, by its node's name, and the unit in it: [c, y, x], or [k]. */
  readonly layer: string | null;
  readonly unit: readonly number[] | null;
  readonly maps: (typeof MAP_KINDS)[number];
  readonly fold: (typeof FOLDS)[number];
  /** How far down the signal is followed: the number of the layer from the top. */
  readonly step: number;
  /** Of the class model; null: as the preset has it. `rate` is its step, `blur` the deviation in pixels. */
  readonly preset: (typeof PRESETS)[number];
  readonly iterations: number | null;
  readonly lambda: number | null;
  readonly rate: number | null;
  readonly blur: number | null;
  readonly jitter: number | null;
  readonly seed: number;
  readonly display: Display;
  /** Of the bench: the set, and what the ids of its cases are to match. */
  readonly bench: (typeof BENCH_SETS)[number];
  readonly cases: string;
}

export const DEFAULT_VIEW: View = {
  tab: 'look',
  model: 'default',
  preprocess: null,
  labels: null,
  photo: 'mandrill',
  class: null,
  score: 'scores',
  views: 1,
  rules: DEFAULT_RULES,
  at: {},
  reduce: 'max',
  clip: DEFAULT_CLIP,
  colours: 'inferno',
  show: 'overlay',
  scale: 'shared',
  layer: null,
  unit: null,
  maps: 'value',
  fold: 'sum',
  step: 0,
  preset: 'demo',
  iterations: null,
  lambda: null,
  rate: null,
  blur: null,
  jitter: null,
  seed: 0,
  display: 'clip',
  bench: 'quick',
  cases: '',
};

/** The colours of a map unless others are asked for: signs want a middle. */
export const usualColours = (reduce: Reduce): Colours => (reduce === 'signed' ? 'rdbu' : DEFAULT_VIEW.colours);

/** The rules of a view as the engine takes them. */
export const ruleOf = ({ rules, at }: Pick<View, 'rules' | 'at'>): RuleSpec => ({
  ...rules,
  ...(Object.keys(at).length > 0 ? { at } : {}),
});

/** The view behind the `#` of an address; the default one is the empty text. */
export function writeView(view: View): string {
  const words = new URLSearchParams();
  const put = (name: string, value: string | number | null, usual: string | number | null): void => {
    if (value !== null && value !== usual) words.append(name, String(value));
  };
  for (const name of [
    'tab',
    'model',
    'labels',
    'photo',
    'class',
    'score',
    'views',
    'reduce',
    'clip',
    'show',
    'scale',
    'layer',
    'maps',
    'fold',
    'step',
    'preset',
    'iterations',
    'lambda',
    'rate',
    'blur',
    'jitter',
    'seed',
    'display',
    'bench',
    'cases',
  ] as const)
    put(name, view[name], DEFAULT_VIEW[name]);
  put('colours', view.colours, usualColours(view.reduce));
  for (const axis of AXES) put(axis, view.rules[axis], DEFAULT_RULES[axis]);
  for (const [layer, rule] of Object.entries(view.at)) words.append('at', `${layer}=${rule}`);
  if (view.preprocess) words.append('preprocess', writePreprocess(view.preprocess));
  if (view.unit) words.append('unit', view.unit.join(','));
  return words.toString();
}

const AXES = Object.keys(RULE_AXES) as RuleAxis[];

/**
 * Reads what {@link writeView} wrote. What makes no sense is left at its default and told in `problems`.
 * @param text with or without the `#`
 */
export function readView(text: string): { readonly view: View; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const view: { -readonly [K in keyof View]: View[K] } = { ...DEFAULT_VIEW, rules: DEFAULT_RULES, at: {} };
  const at: Record<string, string> = Object.create(null) as Record<string, string>;
  const number = (name: string, value: string, good: (n: number) => boolean, expected: string): number | undefined => {
    const n = value.trim() === '' ? NaN : Number(value);
    if (good(n)) return n;
    problems.push(`${name}: expected ${expected}, got "${value}".`);
    return undefined;
  };
  const choice = <T extends string>(name: string, value: string, all: readonly T[]): T | undefined => {
    if ((all as readonly string[]).includes(value)) return value as T;
    problems.push(`${name}: expected one of ${all.join(', ')}, got "${value}".`);
    return undefined;
  };
  const whole = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  const positive = (n: number): boolean => Number.isFinite(n) && n > 0;
  let colours: Colours | undefined;
  for (const [name, value] of new URLSearchParams(text.replace(/^#/, ''))) {
    switch (name) {
      case 'tab':
        view.tab = choice(name, value, TABS) ?? view.tab;
        break;
      case 'model':
      case 'photo':
        view[name] = value === '' ? view[name] : value;
        break;
      case 'preprocess':
        view.preprocess = readPreprocess(value) ?? null;
        if (!view.preprocess) problems.push(`preprocess: expected caffe, torchvision or channels=...;mean=..., got "${value}".`);
        break;
      case 'labels':
        view.labels = choice(name, value, ['ilsvrc2012'] as const) ?? null;
        break;
      case 'class':
      case 'step':
      case 'seed':
        view[name] = number(name, value, whole, 'a whole number') ?? (DEFAULT_VIEW[name] as number);
        break;
      case 'score':
        view.score = choice(name, value, SCORE_KINDS) ?? view.score;
        break;
      case 'views':
        view.views = choice(name, value, ['1', '10'] as const) === '10' ? 10 : 1;
        break;
      case 'reduce':
        view.reduce = choice(name, value, REDUCTIONS) ?? view.reduce;
        break;
      case 'clip':
        view.clip = number(name, value, (n) => positive(n) && n <= 100, 'a percentile above 0 and at most 100') ?? view.clip;
        break;
      case 'colours':
        colours = choice(name, value, COLOURS);
        break;
      case 'show':
        view.show = choice(name, value, SHOWS) ?? view.show;
        break;
      case 'scale':
        view.scale = choice(name, value, SCALES) ?? view.scale;
        break;
      case 'layer':
        view.layer = value;
        break;
      case 'maps':
        view.maps = choice(name, value, MAP_KINDS) ?? view.maps;
        break;
      case 'fold':
        view.fold = choice(name, value, FOLDS) ?? view.fold;
        break;
      case 'unit': {
        const unit = value.split(',').map(Number);
        if (value !== '' && unit.every(whole)) view.unit = unit;
        else problems.push(`unit: expected coordinates as 3,5,5, got "${value}".`);
        break;
      }
      case 'preset':
        view.preset = choice(name, value, PRESETS) ?? view.preset;
        break;
      case 'display':
        view.display = choice(name, value, DISPLAYS) ?? view.display;
        break;
      case 'iterations':
      case 'jitter':
        view[name] = number(name, value, whole, 'a whole number') ?? null;
        break;
      case 'bench':
        view.bench = choice(name, value, BENCH_SETS) ?? view.bench;
        break;
      case 'cases':
        view.cases = value;
        break;
      case 'blur':
      case 'lambda':
        view[name] = number(name, value, (n) => Number.isFinite(n) && n >= 0, 'a number of at least 0') ?? null;
        break;
      case 'rate':
        view.rate = number(name, value, positive, 'a number above 0') ?? null;
        break;
      case 'at': {
        const cut = value.lastIndexOf('=');
        if (cut > 0) at[value.slice(0, cut)] = value.slice(cut + 1);
        else problems.push(`at: expected LAYER=RULE, got "${value}".`);
        break;
      }
      default:
        if (AXES.includes(name as RuleAxis)) {
          try {
            view.rules = { ...view.rules, [name]: parseAxis(name as RuleAxis, value) };
          } catch (error) {
            problems.push((error as Error).message);
          }
        } else problems.push(`address: expected what a view consists of, got "${name}".`);
    }
  }
  view.at = { ...at };
  view.colours = colours ?? usualColours(view.reduce);
  if (view.colours === 'rdbu' && view.reduce !== 'signed') {
    problems.push(`colours: expected rdbu with reduce=signed alone, since magnitudes have no sign, got reduce=${view.reduce}.`);
    view.colours = usualColours(view.reduce);
  }
  return { view, problems };
}
