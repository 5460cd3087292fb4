// Metrics of training as lines of JSON, and their picture.
import sharp from 'sharp';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { trainingCurve } from '../../src/train/curve.ts';
import {
  formatMetrics,
  isValidation,
  readMetrics,
  type MetricsRow,
  type TrainingRow,
  type ValidationRow,
} from '../../src/train/metrics.ts';

const train = (step: number, changes: Partial<TrainingRow> = {}): TrainingRow => ({
  epoch: step / 100,
  step,
  images: 64 * step,
  loss: 4 / (1 + step / 100),
  top1: 0.5,
  rate: 0.02,
  imagesPerSecond: 90,
  ...changes,
});
const look = (step: number, top1 = 0.4): ValidationRow => ({
  epoch: step / 100,
  step,
  validation: { loss: 2, top1, top5: 0.8, images: 2500 },
});

test('rows read back; a torn last line is dropped, other damage is named', () => {
  const rows: MetricsRow[] = [train(50), train(100), look(100)];
  const text = rows.map(formatMetrics).join('');
  assert.equal(readMetrics(text), rows);
  assert.equal(rows.map(isValidation), [false, false, true]);
  assert.equal(readMetrics(`${text}{"epoch":1.2,"ste`), rows);
  // Even a whole line counts only with its end: what follows a kill may be the beginning of a longer number.
  assert.equal(readMetrics(text.slice(0, -1)), rows.slice(0, 2));
  assert.equal(readMetrics(''), []);
  for (const [damaged, message] of [
    [`x\n${text}`, /^metrics: line 1 of "m\.jsonl": expected an object of JSON, got "x"\. The file is damaged\./],
    [`${text}[]\n`, /^metrics: line 4 of "m\.jsonl": expected an object/],
    [`{"epoch":1,"step":3}\n`, /line 1 .* expected a number as "images", got nothing/],
    [formatMetrics(train(1, { loss: NaN })), /expected a number as "loss", got null/],
    [`{"epoch":1,"step":3,"validation":{"loss":1,"top1":1}}\n`, /expected a number as "top5", got nothing/],
    [`{"epoch":1,"step":3,"validation":3}\n`, /expected a number as "loss"/],
  ] as const) {
    assert.throws(
      () => readMetrics(damaged, 'm.jsonl'),
      (error: unknown) => error instanceof FormatError && message.test(error.message),
      String(message),
    );
  }
});

interface Drawn {
  readonly texts: readonly string[];
  /** Points of each path. */
  readonly paths: readonly (readonly (readonly [number, number])[])[];
}

function drawn(svg: string): Drawn {
  assert.is(XMLValidator.validate(svg), true);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
  const paths = [...svg.matchAll(/<path d="M([^"]*?)"/g)].map(([, d]) =>
    d.split('L').map((point) => point.split(',').map(Number) as [number, number]),
  );
  return { texts, paths };
}

test('every series is drawn and named with its last value', () => {
  const rows = [10, 20, 30, 40].flatMap((k): MetricsRow[] => [train(10 * k - 50), train(10 * k, { top1: k / 100 }), look(10 * k, k / 80)]);
  const { texts, paths } = drawn(trainingCurve(rows, { title: 'A < B & "C"', subtitle: 'seed 1' }));
  for (const text of [
    'A &lt; B &amp; &quot;C&quot;',
    'seed 1',
    'epochs',
    'validation',
    '2.00',
    'validation top-1',
    '50.0 %',
    'training top-1',
    '40.0 %',
  ])
    assert.ok(texts.includes(text), `${text} in ${texts.join(' | ')}`);
  assert.ok(texts.includes('up to 0.02'));
  // The rate, two lines of loss, three of accuracy.
  assert.equal(
    paths.map((path) => path.length),
    [8, 8, 4, 8, 4, 4],
  );
  const [rate, loss] = paths;
  assert.ok(
    rate.every(([, y]) => y === 0),
    'a constant rate lies at the top',
  );
  assert.ok(
    loss.every(([, y], k) => k === 0 || y > loss[k - 1][1]),
    'a falling loss falls',
  );
});

test('a resumed run: what it wrote again counts', () => {
  const rows = [train(100), train(200, { loss: 9 }), look(200, 0.9), train(300, { loss: 9 }), train(200, { loss: 1 }), look(200, 0.3)];
  const { texts, paths } = drawn(trainingCurve(rows));
  assert.ok(texts.includes('30.0 %') && !texts.includes('90.0 %'));
  assert.is(paths[1].length, 2);
  assert.ok(texts.includes('1.00') && !texts.includes('9.00'));
});

test('a long run is averaged by images, and its means stay', () => {
  // Loss 1 and 3 by turns, the 3 over three times as many images: 2.5 on average.
  let images = 0;
  const rows = Array.from({ length: 4000 }, (_, k) => {
    images += k % 2 === 0 ? 10 : 30;
    return train(k + 1, { images, loss: k % 2 === 0 ? 1 : 3 });
  });
  const svg = trainingCurve(rows);
  const { paths, texts } = drawn(svg);
  assert.is(paths[1].length, 200);
  assert.ok(texts.includes('2.50'));
  assert.ok(paths[1].every(([, y]) => y === paths[1][0][1]));
  assert.ok(svg.length < 20_000);
});

test('the first rows of a run, and none', () => {
  for (const rows of [[train(3)], [look(0)], [train(0, { loss: 0, top1: 0, rate: 0 })]]) {
    const { texts } = drawn(trainingCurve(rows));
    assert.ok(texts.includes('epochs'));
    assert.not.match(trainingCurve(rows), /NaN|Infinity/);
  }
  assert.throws(
    () => trainingCurve([]),
    (error: unknown) => error instanceof InputError && /at least one row/.test(error.message),
  );
});

test('it is a picture that other programs can read, on a ground of its own', async () => {
  const svg = trainingCurve([train(50), train(100), look(100)], { width: 800, height: 300 });
  const top = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(svg).svg;
  assert.equal([top.width, top.height, top.role], ['800', '300', 'img']);
  assert.match(top.desc, /After 1 epochs: loss .*validation: 2\.00/);
  const { data, info } = await sharp(Buffer.from(svg)).raw().toBuffer({ resolveWithObject: true });
  assert.equal([info.width, info.height], [800, 300]);
  const at = (x: number, y: number): number[] => [...data.subarray(info.channels * (y * 800 + x), info.channels * (y * 800 + x) + 4)];
  assert.equal(at(400, 150), [255, 255, 255, 255]);
});

test.run();
