/** What is true of an image: tables and XML in, classes and boxes out, and a line that names the place of everything that is wrong. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError } from '../../src/errors.ts';
import { annotatedBox, classesOf, scaleBox, wnidOf, type Annotation } from '../../src/evaluate/annotation.ts';
import { parseCsv, type CsvOptions } from '../../src/evaluate/csv.ts';
import { parseIlsvrc } from '../../src/evaluate/ilsvrc.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';

const LABELS = ['n01440764 tench, Tinca tinca', 'n01443537 goldfish', 'n01484850 great white shark'];
const classes = classesOf(LABELS);
const HEAD = 'image,class_index,wnid,orig_w,orig_h,x0,y0,x1,y1';

const csv = (text: string, options: Partial<CsvOptions> = {}): Annotation[] =>
  parseCsv(text, { file: 'b.csv', classes, labels: LABELS, boxes: true, ...options });

function refused(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.instance(error, FormatError);
    assert.match((error as Error).message, message);
    assert.not.match((error as Error).message, /\n/);
    return true;
  });
}

test('a table of boxes: several rows are several boxes of one image, in the order of the images', () => {
  const read = csv(
    `${HEAD}\nb.png,1,n01443537,500,375,20,175,111,292\na.png,0,n01440764,100,80,0,0,100,80\nb.png,1,n01443537,500,375,0,1,2.5,3\n`,
  );
  assert.equal(read, [
    {
      image: 'b.png',
      class: 1,
      extent: [375, 500],
      boxes: [
        { x0: 20, y0: 175, x1: 111, y1: 292 },
        { x0: 0, y0: 1, x1: 2.5, y1: 3 },
      ],
    },
    { image: 'a.png', class: 0, extent: [80, 100], boxes: [{ x0: 0, y0: 0, x1: 100, y1: 80 }] },
  ]);
});

test('tables as programs write them: byte order mark, quotes, other line ends, other columns, classes by number or WordNet id', () => {
  const want = [{ image: 'a, b.png', class: 2, extent: null, boxes: [] }];
  assert.equal(csv('\ufeffimage,class\r\n"a, b.png", 2\r\n\r\n', { boxes: false }), want);
  assert.equal(csv('note,class,image\rx,n01484850,"a, b.png"\r', { boxes: false }), want);
  assert.equal(csv('image,wnid\n"a, b.png",n01484850\n', { boxes: false }), want);
  // A table of boxes serves for classes alone once its rows are one for each image.
  assert.equal(csv(`${HEAD}\n"a, b.png",2,n01484850,500,375,20,175,111,292\n`, { boxes: false }), want);
});

test('what is wrong in a table is named with its line', () => {
  const row = 'a.png,1,n01443537,500,375,20,175,111,292';
  const line = (text: string, message: RegExp): void => refused(() => csv(`${HEAD}\n\n${row}\n${text}\n`), message);
  line('a.png,2,n01484850,500,375,20,175,111,292', /^b\.csv:4: expected "a\.png" as on line 3 \(class 1, 500 x 375 pixels\), got class 2/);
  line('a.png,1,n01443537,500,374,20,175,111,292', /^b\.csv:4: .*500 x 374/);
  line('b.png,1,n01443537,500,375,20,175,111', /^b\.csv:4: expected 9 values as on the first line, got 8/);
  line('b.png,1,n01443537,500,375,20,175,111,nan', /^b\.csv:4: expected a number of pixels in y1, got "nan"/);
  line('b.png,1,n01443537,500,0,20,175,111,292', /^b\.csv:4: expected whole extents.* got 500, 0/);
  line('b.png,-1,n01443537,500,375,20,175,111,292', /^b\.csv:4: expected a class, a number from 0 or a WordNet id, got "-1"/);
  line('b.png,n99999999,,500,375,20,175,111,292', /^b\.csv:4: expected the class of "n99999999", but it is not among the labels/);
  line(
    'b.png,2,n01443537,500,375,20,175,111,292',
    /^b\.csv:4: expected class 2 to be "n01443537", but line 3 of the labels is "n01484850"/,
  );
  line(',1,n01443537,500,375,20,175,111,292', /^b\.csv:4: expected the name of an image/);
  line('b.png,1,n01443537,500,375,111,175,20,292', /^b\.csv:4: expected a box with x0 < x1.* got 111,175 to 20,292/);
  line('b.png,1,n01443537,500,375,20,175,20,292', /^b\.csv:4: expected a box with x0 < x1/);
  line(
    'b.png,1,n01443537,500,375,20,175,502,292',
    /^b\.csv:4: expected a box inside the picture of 500 x 375 pixels, got 20,175 to 502,292/,
  );
  line('b.png,1,n01443537,500,375,-20,175,111,292', /^b\.csv:4: expected a box inside/);
  line('b.png,1,n01443537,500,375,600,400,700,500', /^b\.csv:4: expected a box inside/);
  line('"b.png,1', /^b\.csv: expected a table of comma-separated values, got: .*line/);
  refused(() => csv(''), /^b\.csv:1: expected the columns/);
  refused(() => csv(`${HEAD}\n`), /expected at least one image/);
  refused(() => csv('image,class_index\na.png,1\n'), /^b\.csv:1: .* got no orig_w, orig_h, x0, y0, x1, y1 among "image,class_index"/);
  refused(() => csv('image\na.png\n', { boxes: false }), /got no class_index/);
  refused(() => csv('image,class\na.png,1\na.png,1\n', { boxes: false }), /^b\.csv:3: expected each image once/);
  refused(
    () => csv('image,class\na.png,n01440764\n', { boxes: false, classes: classesOf(undefined) }),
    /no labels with WordNet ids are given/,
  );
});

test('a box that reaches a pixel beyond its picture is cut off at the edge', () => {
  assert.equal(annotatedBox({ x0: -1, y0: 0, x1: 101, y1: 81 }, [80, 100], 'here'), { x0: 0, y0: 0, x1: 100, y1: 80 });
  refused(() => annotatedBox({ x0: 100, y0: 0, x1: 101, y1: 80 }, [80, 100], 'here'), /^here: expected a box with/);
});

const XML = (objects: string, size = '<width>500</width><height>375</height><depth>3</depth>'): string => `<annotation>
  <folder>val</folder><filename>ILSVRC2012_val_00000001</filename><source><database>ILSVRC_2012</database></source>
  <size>${size}</size><segmented>0</segmented>${objects}</annotation>`;
const OBJECT = (box: string, name = 'n01443537'): string =>
  `<object><name>${name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>${box}</bndbox></object>`;
const BOX = '<xmin>111</xmin><ymin>108</ymin><xmax>441</xmax><ymax>193</ymax>';

test("ILSVRC's XML: one object or several", () => {
  const one = parseIlsvrc(XML(OBJECT(BOX)), 'a.xml', 'a', classes);
  assert.equal(one, { image: 'a', class: 1, extent: [375, 500], boxes: [{ x0: 111, y0: 108, x1: 441, y1: 193 }] });
  assert.is(parseIlsvrc(XML(OBJECT(BOX) + OBJECT(BOX)), 'a.xml', 'a', classes).boxes.length, 2);
});

test('what is wrong in XML is named with its file', () => {
  const bad = (text: string, message: RegExp): void => refused(() => parseIlsvrc(text, 'v/a.xml', 'a', classes), message);
  bad('', /^v\/a\.xml/);
  bad('not XML', /^v\/a\.xml/);
  bad(XML(OBJECT(BOX)).slice(0, 200), /^v\/a\.xml:\d+: expected an XML annotation, got: /);
  bad('<other/>', /size: expected a number of pixels in <height>, got null/);
  bad(XML(''), /expected at least one <object>/);
  bad(XML(OBJECT(BOX), '<width>0</width><height>375</height>'), /expected whole extents/);
  bad(XML(OBJECT(BOX) + OBJECT(BOX, 'n01440764')), /objects of one class.* got "n01443537", "n01440764"/);
  bad(XML(OBJECT(BOX, 'dog')), /^v\/a\.xml: expected the class of "dog"/);
  bad(XML(OBJECT(BOX.replace('441', 'x'))), /^v\/a\.xml: object 1: expected a number of pixels in <xmax>, got "x"/);
  bad(XML(OBJECT(BOX) + OBJECT(BOX.replace('441', '900'))), /^v\/a\.xml: object 2: expected a box inside.*111,108 to 900,193/);
  bad(XML(OBJECT(BOX.replace('441', '100'))), /x0 < x1/);
});

test('WordNet ids are read off labels; boxes move to a picture of another size axis by axis', () => {
  assert.is(wnidOf('n02123045 tabby, tabby cat'), 'n02123045');
  assert.is(wnidOf('n02123045'), 'n02123045');
  assert.is(wnidOf('tabby'), undefined);
  assert.is(wnidOf(undefined), undefined);
  assert.equal(scaleBox({ x0: 50, y0: 30, x1: 500, y1: 300 }, [300, 500], [227, 227]), { x0: 22.7, y0: 22.7, x1: 227, y1: 227 });
});

if (!dataPresent) {
  sayMissing('annotations of 300 ImageNet images');
  test.skip('annotations of 300 ImageNet images');
} else {
  test('annotations of 300 ImageNet images', () => {
    const labels = readFileSync(dataPath('models', 'synset_words.txt'), 'utf8').trim().split('\n');
    const file = dataPath('imagenet-val', 'boxes.csv');
    const read = parseCsv(readFileSync(file, 'utf8'), { file, classes: classesOf(labels), labels, boxes: true });
    assert.is(read.length, 300);
    assert.is(
      read.reduce((n, { boxes }) => n + boxes.length, 0),
      463,
    );
    assert.is(read[0].class, 472);
  });
}

test.run();
