/** The sanity checks in pictures: a sheet of maps, and curves against random layers. The sheet is for Node only, because of the text. */
import { colourise } from '../image/colour.ts';
import type { Picture } from '../image/picture.ts';
import { plot, type Panel, type Series } from '../image/plot.ts';
import { fitInto, sheet, type Cell, type Row } from '../image/sheet.ts';
import type { Tensor } from '../tensor.ts';
import { BASELINES, type Baseline } from './baselines.ts';
import type { Likeness, Sanity, Stage, StageOf } from './sanity.ts';
import { brief } from './sanityWords.ts';

export interface SanitySheetOptions {
  readonly title: string;
  readonly footer: string;
  /** What a class is called in a caption. */
  readonly name: (k: number) => string;
  /** Percentile at which colours end, each map by itself. */
  readonly clip: number;
}

/** Width of the cells and longest side of the maps, in pixels: room for a layer's name above and two numbers below. */
const CELL = 176;

const BASELINE_NAMES: Readonly<Record<Baseline, string>> = { noise: 'uniform noise', edges: 'edges (Sobel)', photo: 'the input itself' };

/**
 * Draws the checks: a row for each rule, from the original map through the stages that are shown to another class's map; where layers were drawn alone, a
 * second row; at the foot the photo and the baselines with what each rule's original map has in common with them. Maps have ranges of their own.
 * @throws EngineError if text cannot be drawn
 */
export async function sanitySheet(sanity: Sanity, options: SanitySheetOptions): Promise<Picture> {
  const { cascade, independent, others, layers, rules, seen } = sanity;
  const fitted = (picture: Picture): Picture => fitInto(picture, [CELL, CELL]);
  const cell = [CELL, fitted(seen).height] as const;
  const drawn = (map: Tensor): Picture => fitted(colourise(map, { clip: options.clip }).picture);
  const shown = cascade.flatMap((stage, s) => (stage.rules[0].map ? [s] : []));
  const stageCell = (of: StageOf): Cell => ({ picture: drawn(of.map!), caption: of.zero ? 'nothing arrives' : numbers(of.likeness) });
  const rows = rules.flatMap((rule, r): Row[] => {
    const original: Cell = { picture: drawn(rule.map), caption: rule.zero ? 'nothing arrives' : 'the original' };
    const row = (stages: readonly Stage[]): Cell[] => shown.map((s) => stageCell(stages[s].rules[r]));
    const other = others.slice(0, 1).map(({ rules }) => stageCell(rules[r]));
    return [
      { heading: rule.name, cells: [original, ...row(cascade), ...other] },
      ...(independent.length > 0 ? [{ heading: `${rule.name}, these layers alone`, cells: [null, ...row(independent)] }] : []),
    ];
  });
  const against = (name: Baseline): string =>
    `${BASELINE_NAMES[name]}\n${rules.map((rule) => brief(rule.baselines[name].original.absolute)).join(', ')}`;
  rows.push({
    heading: `Baselines, which know no weights, and their |ρ| with the original maps of ${rules.map(({ name }) => name).join(', ')}`,
    cells: [
      { picture: fitted(seen), caption: 'the photo, as the network sees it' },
      ...BASELINES.map((name): Cell => ({ picture: drawn(sanity.baselines[name]), caption: against(name) })),
    ],
  });
  const columns = [
    'weights as trained',
    ...shown.map((s) => `${cascade[s].random} of ${layers.length} random\n${cascade[s].layers.at(-1)!}`),
    ...(others.length > 0 ? [`another class\n${options.name(others[0].class)}`] : []),
  ];
  return sheet(rows, { title: options.title, columns, footer: options.footer, cell });
}

const numbers = ({ absolute, ssim }: Likeness): string => `|ρ| ${brief(absolute)}, SSIM ${brief(ssim)}`;

const COLOURS = ['#0969a8', '#c4620e', '#1a7f37', '#8250df', '#bf3989', '#727c87', '#9a6700', '#0a7ea4'];

/**
 * Rank correlation and structural similarity against the number of random layers, a line for each rule. Stages without a number are left out.
 * @returns an SVG document
 */
export function sanityCurve(
  { rules, cascade, layers }: Sanity,
  { title, subtitle }: { readonly title: string; readonly subtitle: string },
): string {
  const panel = (name: string, of: keyof Likeness): Panel => {
    const series = rules.flatMap((rule, r): Series[] => {
      const points = cascade.flatMap(({ random, rules }) => {
        const value = rules[r].likeness[of];
        return value === null ? [] : [[random, value] as const];
      });
      const start = rule.zero ? [] : [[0, 1] as const];
      const all = [...start, ...points];
      return all.length === 0 ? [] : [{ name: rule.name, points: all, colour: COLOURS[r % COLOURS.length], format: brief }];
    });
    const low = Math.min(0, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
    return { title: name, series, low, high: 1, tick: '' };
  };
  const panels = [panel('rank correlation of magnitudes', 'absolute'), panel('structural similarity', 'ssim')];
  const ends = panels.map(({ title, series }) => `${title}: ${series.map((s) => `${s.name} ${brief(s.points.at(-1)![1])}`).join(', ')}`);
  return plot(panels, {
    title,
    subtitle,
    description: `With all ${layers.length} layers random, ${ends.join('; ')}.`,
    width: 960,
    height: 400,
    x: { label: 'random layers, from the last one on', high: layers.length },
  });
}
