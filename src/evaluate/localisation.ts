/**
 * Weakly supervised localisation: saliency maps made into boxes, and held against the true ones.
 * @see Simonyan, Vedaldi, Zisserman 2013, section 3.2
 */
import { EngineError, InputError } from '../errors.ts';
import { toPhoto } from '../image/project.ts';
import type { Preprocess } from '../image/preprocess.ts';
import type { GradientOptions, Network, StreamAnswer, Target } from '../network.ts';
import type { Rule } from '../rule.ts';
import type { Box } from '../segment/box.ts';
import { MAP_KINDS, type MapKind } from '../segment/presets.ts';
import type { Tensor } from '../tensor.ts';
import { fusedMaps, fusedQuestions, fusionLayers, type FusionLayers } from '../visualise/fused.ts';
import { mapAt, reduceChannels } from '../visualise/reduce.ts';
import { scaleBox } from './annotation.ts';
import { inBatches, type Batch, type Item, type LoadedItem } from './batches.ts';
import { classRow } from './classification.ts';
import { boxOf, needsMap, ownMap, type Method } from './methods.ts';
import { round, roundBox, type Attempt, type BoxResult, type BoxRow, type MapName, type PointingResult } from './rows.ts';
import { bestIou, distanceTo, IOU, peakOf } from './score.ts';

/** Whose saliency is looked at: the true class's, the best one's, or that of each of the five best, of which one must be right. */
export const CLASS_MODES = ['given', 'top1', 'top5'] as const;

export type ClassMode = (typeof CLASS_MODES)[number];

export interface LocalisationOptions {
  readonly preprocess: Preprocess;
  readonly classes: ClassMode;
  readonly rules: readonly Rule[];
  /** What the methods look at: `own`, what each is made for; or every method at each of these. */
  readonly maps: 'own' | readonly MapKind[];
  readonly methods: readonly Method[];
  /** Of the pointing game: pixels of the picture as stored. */
  readonly tolerance: number;
}

/** Maps on the input [N, H, W], one of each image, of the class that is tried on it. */
interface Try {
  readonly map: MapKind;
  readonly rule: Rule;
  readonly classes: readonly number[];
  readonly maps: Tensor;
}

/** The answer to a batch: scores [N, K], and the maps of each kind and rule, those of one or five classes. */
interface Answer {
  readonly scores: Tensor;
  readonly tries: readonly Try[];
}

/**
 * Every method on every map, of every rule, of every image, in the order of the items.
 *
 * The map of a class is max_c |dS/dI_c| of its unnormalised score, or that fused with maps of layers (see fused.ts), laid back onto the
 * picture as stored (zero where the input did not look). A box is right if its class is the true one and its intersection over union with any true box is at least 0.5. The pointing game
 * is won if the map's first maximum lies within `tolerance` pixels of a true box. With `top5` five classes are tried and one must be right.
 *
 * The network's batch is how many images go through it at once; it changes no number.
 * @throws InputError if an image has no boxes or a class that the network has not, or a picture cannot be had
 * @throws EngineError if a gradient is not finite
 */
export async function* evaluateLocalisation(
  network: Network,
  items: readonly Item[],
  options: LocalisationOptions,
): AsyncGenerator<BoxRow> {
  const bare = items.find(({ annotation }) => annotation.extent === null || annotation.boxes.length === 0);
  if (bare) throw new InputError(`evaluate: expected a true box for every image, got none for "${bare.annotation.image}". Give its boxes.`);
  const rules = options.methods.some(needsMap) ? options.rules : [];
  const { maps } = options;
  const kinds = maps === 'own' ? MAP_KINDS.filter((kind) => options.methods.some((method) => ownMap(method) === kind)) : maps;
  const fusion = kinds.includes('fused') ? fusionLayers(network.graph) : null;
  // A batch's maps are made with its first image.
  let made: { readonly of: Batch; readonly answer: Answer } | undefined;
  yield* inBatches(
    network,
    items,
    options.preprocess,
    (batch) => questionsOf(network, batch, options.classes, rules, fusion),
    (item, answer, n) => {
      if (made?.of !== answer.batch) made = { of: answer.batch, answer: mapsOf(answer, rules, kinds, fusion) };
      return score(item, made.answer, n, kinds, options);
    },
  );
}

/** The classes of a batch to look at under each rule, and with fused maps their log odds too. One forward pass serves all questions of a rule. */
function questionsOf(
  network: Network,
  { items, x }: Batch,
  mode: ClassMode,
  rules: readonly Rule[],
  fusion: FusionLayers | null,
): readonly GradientOptions[] {
  const [batch] = x.shape;
  const given = Array.from({ length: batch }, (_, n) => items[Math.min(n, items.length - 1)].annotation.class);
  const ranks = Array.from({ length: Math.min(5, network.classes) }, (_, rank) => ({ rank }));
  const targets: Record<ClassMode, readonly Target[]> = { given: [given], top1: ['top1'], top5: ranks };
  return rules.flatMap((rule) =>
    targets[mode].flatMap((target) => (fusion ? fusedQuestions({ target, rule }, fusion) : [{ target, rule }])),
  );
}

/** The maps that the answers to {@link questionsOf} make. */
function mapsOf(
  { scores, gradients }: StreamAnswer<Batch>,
  rules: readonly Rule[],
  kinds: readonly MapKind[],
  fusion: FusionLayers | null,
): Answer {
  const each = fusion && fusion.coarse.length > 0 ? 2 : 1;
  const classes = gradients.length / (each * Math.max(1, rules.length));
  const tries = kinds.flatMap((map) =>
    rules.flatMap((rule, r) =>
      Array.from({ length: classes }, (_, c): Try => {
        const from = (r * classes + c) * each;
        const answers = gradients.slice(from, from + each);
        const maps = map === 'fused' ? fusedMaps(answers, fusion!) : reduceChannels(answers[0].gradient, 'max');
        return { map, rule, classes: answers[0].targets!, maps };
      }),
    ),
  );
  return { scores: scores!, tries };
}

function score(
  item: LoadedItem,
  { scores, tries }: Answer,
  n: number,
  kinds: readonly MapKind[],
  { classes: mode, rules, maps: wanted, methods, tolerance }: LocalisationOptions,
): BoxRow {
  const { annotation, picture } = item;
  const row = classRow(item, scores, n);
  const truth = annotation.boxes.map((box) => scaleBox(box, annotation.extent!, [picture.height, picture.width]));
  const results: BoxResult[] = [];
  const pointing: PointingResult[] = [];

  const add = (method: Method, name: MapName, boxes: readonly { class: number; box: Box | null }[]): void => {
    const attempts = boxes.map(({ class: guess, box }) => ({ class: guess, box, iou: bestIou(box, truth) }));
    results.push({
      method: method.name,
      ...name,
      hit: attempts.some(({ class: guess, iou }) => guess === annotation.class && iou >= IOU),
      attempts: attempts.map(({ class: guess, box, iou }): Attempt => ({ class: guess, box: box && roundBox(box), iou: round(iou, 6) })),
    });
  };

  const point = (name: MapName, peaks: readonly { class: number; peak: { x: number; y: number } | null }[]): void => {
    const attempts = peaks.map(({ class: guess, peak }) => ({ class: guess, peak, distance: peak && distanceTo(peak, truth) }));
    pointing.push({
      ...name,
      hit: attempts.some(({ class: guess, distance }) => guess === annotation.class && distance !== null && distance <= tolerance),
      attempts: attempts.map(({ class: guess, peak, distance }) => ({
        class: guess,
        at: peak && [peak.x, peak.y],
        distance: distance === null ? null : round(distance, 3),
      })),
    });
  };

  for (const map of kinds) {
    for (const rule of rules) {
      const name = { map, rule };
      const own = tries
        .filter((one) => one.map === map && one.rule === rule)
        .map(({ classes, maps }) => ({ class: classes[n], map: toPhoto(mapOf(maps, n, item, rule), item.geometry) }));
      for (const method of methods) {
        if (wanted === 'own' && ownMap(method) !== map) continue;
        if (method.kind === 'pointing')
          point(
            name,
            own.map((one) => ({ class: one.class, peak: peakOf(one.map) })),
          );
        else if (needsMap(method))
          add(
            method,
            name,
            own.map((one) => ({ class: one.class, box: boxOf(method, picture, one.map) })),
          );
      }
    }
  }
  const tried = { given: [annotation.class], top1: row.top5.slice(0, 1), top5: row.top5 }[mode];
  const none = { map: null, rule: null };
  for (const method of methods) {
    const middle = { x: (picture.width - 1) / 2, y: (picture.height - 1) / 2 };
    if (method.kind === 'pointing')
      point(
        none,
        tried.map((label) => ({ class: label, peak: middle })),
      );
    else if (!needsMap(method)) {
      const box = boxOf(method, picture, null);
      add(
        method,
        none,
        tried.map((label) => ({ class: label, box })),
      );
    }
  }
  return { ...row, truth: truth.map(roundBox), results, pointing };
}

/** Map n of a batch, [H, W], once it is known to be finite. */
function mapOf(maps: Tensor, n: number, { annotation }: LoadedItem, rule: Rule): Tensor {
  const map = mapAt(maps, n);
  if (!map.data.every(Number.isFinite)) {
    throw new EngineError(
      `evaluate: expected finite gradients, got NaN or infinity under the rule ${rule} for "${annotation.image}".` +
        ' Look for such values in the model.',
    );
  }
  return map;
}
