/** What the demo tells on stdout: numbers and what they mean, and what each picture shows. */
import { describePreprocess } from '../image/preprocess.ts';
import { className } from '../models/labels.ts';
import type { Look } from '../visualise/demo.ts';
import { formatCount, formatShare } from '../visualise/numbers.ts';
import type { DemoFile, Shown } from './demoFiles.ts';
import { AEROPLANE } from './demoPhotos.ts';
import { formatTable } from './session.ts';

/** The findings as JSON. */
export function demoReport({ demo, stranger, spec, labels }: Shown, files: readonly DemoFile[]): Record<string, unknown> {
  const named = <T extends { readonly class: number }>(one: T): T & { name?: string } =>
    labels?.[one.class] === undefined ? one : { ...one, name: className(labels, one.class) };
  const said = ({ photo: { width, height }, ranking, perplexity }: Look): Record<string, unknown> => ({
    width,
    height,
    perplexity,
    ranking: ranking.map(named),
  });
  const { classes, chosen, rival, object, model } = demo;
  return {
    preprocess: describePreprocess(spec),
    classes,
    ...said(demo),
    class: named(chosen),
    rival: named(rival),
    object: { box: object.box, reason: object.reason ?? undefined, certificate: object.cut.certificate },
    classModel: { score: model.score, posterior: model.posterior, norm: model.norm, recipe: model.recipe },
    ...(stranger && { stranger: { photo: AEROPLANE.file, ...said(stranger.look) } }),
    files: files.map(({ file, shows }) => ({ file, shows })),
  };
}

/** The same for a person; `credit` says where a photo comes from that was not given, and `shows` which class is right, if that is known. */
export function printDemo({ demo, stranger, photo, labels }: Shown, files: readonly DemoFile[], credit?: string, shows?: number): void {
  const table = ({ ranking, perplexity }: Look): string => {
    const rows = ranking.map((one) => [one.rank, formatShare(one.posterior), one.score.toFixed(2), className(labels, one.class)]);
    return `${formatTable(['rank', 'posterior', 'score', 'class'], rows)}\nperplexity ${formatCount(perplexity)} of ${demo.classes}\n`;
  };
  console.log(`${photo}, ${demo.photo.width} x ${demo.photo.height} pixels${credit === undefined ? '' : ` (${credit})`}`);
  console.log(table(demo));
  if (shows === demo.chosen.class) console.log(`It shows ${className(labels, shows)}: rank ${demo.chosen.rank} of ${demo.classes}.\n`);
  if (stranger) console.log(`${AEROPLANE.file}, none of the classes (${AEROPLANE.credit})\n${table(stranger.look)}`);
  console.log(`posterior   softmax of the scores: what speaks for a class, among these ${demo.classes} alone`);
  console.log('score       before the softmax; every gradient here is the gradient of a score');
  console.log(
    'perplexity  exp of the entropy of the posteriors: 1 if the network is sure, else as unsure as an even choice among so many\n',
  );
  const width = Math.max(...files.map(({ file }) => file.length));
  for (const { file, shows } of files) console.log(`${file.padEnd(width)}  ${shows}`);
}
