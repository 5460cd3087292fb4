/**
 * Where several kernels compute the same thing: a table of them, and which of its rows a shape gets. The static choice, a pinned one and what is
 * worth measuring all come from the same table. Functions of shapes, traits and pins alone, so that results never vary.
 */
import { InputError } from '../errors.ts';

/**
 * Kernels pinned for shapes, by the key of a {@link Choice}: the name of an entry point, with `/n` behind it where its sum is split into n slabs,
 * as in `gemm64x64/4`. Plain data; `backlight tune` measures it.
 */
export type Choices = Readonly<Record<string, string>>;

/**
 * What a plan may take for granted about the device it will run on. Plain data: a plan says what it was made for.
 */
export interface DeviceTraits {
  /** Four consecutive invocations of a workgroup form a quad of one subgroup, and broadcasting within it costs less than a load. */
  readonly quads: boolean;
  /** Workgroup memory is faster than storage, barriers are cheap, and thousands of invocations run at once: a GPU. */
  readonly tiles: boolean;
  /** What takes the place of the static choice; absent for nothing. */
  readonly choices?: Choices;
}

/** How a long sum may be split into slabs, each of which holds as many of its units as the others, but for the last. */
export interface Split {
  readonly units: number;
  /** Slabs of the static choice; the fewest, so that no sum grows long; and the most. */
  readonly slabs: number;
  readonly least?: number;
  readonly most?: number;
}

/** One kernel of a table whose rows all compute a shape S. */
export interface Variant<S> {
  readonly shader: string;
  /** Its entry point, and its name in the table. */
  readonly entry: string;
  /** The trait without which a device does not run it. */
  readonly needs?: 'quads' | 'tiles';
  /** What it can compute; default: every shape. */
  readonly can?: (shape: S) => boolean;
  /** The static choice is the first row that can compute a shape and says so here; default: always. */
  readonly when?: (shape: S, traits: DeviceTraits) => boolean;
  /** Whether it may turn out the fastest, so that measuring it is worth the time; default: always. */
  readonly worth?: (shape: S) => boolean;
  /** Absent for a kernel that adds up everything itself. */
  readonly split?: (shape: S) => Split;
}

/** A kernel, and how its sum is split: into `slabs`, each of `each` units. */
export interface Chosen<V> {
  readonly variant: V;
  readonly slabs: number;
  readonly each: number;
}

/** What was decided for one shape. */
export interface Decision<V> {
  readonly chosen: Chosen<V>;
  /** Names of what was chosen, of the static choice, and of all that is worth measuring, the static choice first. */
  readonly name: string;
  readonly fixed: string;
  readonly candidates: readonly string[];
}

/** A decision as a plan holds it. */
export interface Choice {
  /** Op, direction and shapes: `conv2d forward x 1x64x56x56 w 64x64x3x3 pad 1`. */
  readonly key: string;
  readonly op: string;
  /** `forward`, `dx` or `dw`. */
  readonly direction: string;
  /** As in {@link Decision}; several names where a direction takes several dispatches that differ, as the phases of a stride do. */
  readonly chosen: readonly string[];
  readonly fixed: readonly string[];
  readonly candidates: readonly string[];
}

/** A sum of `units` in `wanted` slabs, or in fewer that are full. */
function divide(units: number, wanted: number): { slabs: number; each: number } {
  const each = Math.max(1, Math.ceil(units / Math.max(1, wanted)));
  return { slabs: Math.max(1, Math.ceil(units / each)), each };
}

function choose<S, V extends Variant<S>>(variant: V, shape: S, wanted: (split: Split) => number): Chosen<V> {
  const split = variant.split?.(shape);
  if (!split) return { variant, slabs: 1, each: 1 };
  const { units, least = 1, most = units } = split;
  return { variant, ...divide(units, Math.max(least, Math.min(most, wanted(split)))) };
}

const nameOf = ({ variant, slabs }: Chosen<Variant<never>>): string => (slabs > 1 ? `${variant.entry}/${slabs}` : variant.entry);

const runs = <S>({ needs, can }: Variant<S>, shape: S, traits: DeviceTraits): boolean =>
  (needs === undefined || traits[needs]) && (can?.(shape) ?? true);

function fixedChoice<S, V extends Variant<S>>(table: readonly V[], shape: S, traits: DeviceTraits): Chosen<V> {
  const variant = table.find((row) => runs(row, shape, traits) && (row.when?.(shape, traits) ?? true))!;
  return choose<S, V>(variant, shape, ({ slabs }) => slabs);
}

/** A row's names with every split worth measuring: as the static choice has it, none, and half, twice and four times as many slabs. */
function namesOf<S, V extends Variant<S>>(row: V, shape: S): string[] {
  const { slabs } = choose<S, V>(row, shape, (split) => split.slabs);
  const splits = row.split ? [slabs, 1, Math.floor(slabs / 2), 2 * slabs, 4 * slabs] : [1];
  return splits.map((wanted) => nameOf(choose<S, V>(row, shape, () => wanted)));
}

function candidatesOf<S, V extends Variant<S>>(table: readonly V[], shape: S, traits: DeviceTraits): string[] {
  return table.filter((row) => runs(row, shape, traits) && (row.worth?.(shape) ?? true)).flatMap((row) => namesOf<S, V>(row, shape));
}

/** The row that a pin names; undefined if it cannot compute this shape. */
function pinnedChoice<S, V extends Variant<S>>(
  key: string,
  pinned: string,
  table: readonly V[],
  shape: S,
  traits: DeviceTraits,
): Chosen<V> | undefined {
  const [entry, slabs = '1', ...rest] = pinned.split('/');
  const variant = table.find((row) => row.entry === entry && (row.needs === undefined || traits[row.needs]));
  if (!variant || rest.length > 0 || !/^[1-9]\d*$/.test(slabs) || (slabs !== '1' && !variant.split)) {
    const known = table.filter(({ needs }) => needs === undefined || traits[needs]).map((row) => row.entry + (row.split ? '[/slabs]' : ''));
    throw new InputError(
      `choices: expected for "${key}" one of ${known.join(', ')}, which this device can run, got "${pinned}". Tune anew, or leave it out.`,
    );
  }
  return runs(variant, shape, traits) ? choose<S, V>(variant, shape, () => Number(slabs)) : undefined;
}

/**
 * The row of a table that a shape gets: what is pinned for its key, else the static choice. A pinned kernel that cannot compute this shape, as
 * one phase of a stride may be, leaves it to the static choice.
 * @throws InputError if what is pinned is in no row that the device can run
 */
export function decide<S, V extends Variant<S>>(key: string, table: readonly V[], shape: S, traits: DeviceTraits): Decision<V> {
  const fixed = fixedChoice(table, shape, traits);
  const pin = traits.choices && Object.hasOwn(traits.choices, key) ? traits.choices[key] : undefined;
  const chosen = (pin === undefined ? undefined : pinnedChoice(key, pin, table, shape, traits)) ?? fixed;
  const candidates = [...new Set([nameOf(fixed), ...candidatesOf(table, shape, traits)])];
  return { chosen, name: nameOf(chosen), fixed: nameOf(fixed), candidates };
}
