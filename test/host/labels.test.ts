/** From what a person types to a class: numbers, WordNet ids, names, parts of names; and what is said when none or several fit. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/errors.ts';
import { className, findClass, shortClassName } from '../../src/models/labels.ts';
import { parseClasses } from '../../src/cli/classes.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';

const LABELS = [
  'n01440764 tench, Tinca tinca',
  'n02123045 tabby, tabby cat',
  'n02123159 tiger cat',
  'n02012849 crane',
  'n03126707 crane',
  'n02119022 red fox, Vulpes vulpes',
  'n03532672 hook, claw',
  'n04067472 reel',
  "n03000134 chainlink fence (wire) & gate <1>, O'Neill's",
];
const COUNT = LABELS.length;

const refused = (text: string, words: RegExp, labels: readonly string[] | null = LABELS): void =>
  assert.throws(
    () => findClass(text, labels ?? undefined, COUNT),
    (e: Error) => e instanceof InputError && words.test(e.message) && !e.message.includes('\n'),
    text,
  );

test('numbers, with names or without', () => {
  assert.is(findClass('3', LABELS, COUNT), 3);
  assert.is(findClass(' 0 ', undefined, COUNT), 0);
  refused('9', /class: expected a number in \[0, 8\], got 9/);
  refused('-1', /expected a number in \[0, 8\], got -1/);
  refused('tabby', /expected a number in \[0, 8\], since this model's classes have no names, got "tabby"\. Give --labels/, null);
});

test('WordNet ids, whole labels, synonyms, words, parts of words; case does not matter', () => {
  const found: [string, number][] = [
    ['n02123045', 1],
    ['N02123045', 1],
    ['tabby, tabby cat', 1],
    ['Tabby', 1],
    ['tiger cat', 2],
    ['vulpes VULPES', 5],
    ['fox', 5],
    ['tiger', 2],
    ['reel', 7],
    ['fen', 8],
    ["o'neill's", 8],
    ['(wire) &', 8],
    ['tinc', 0],
  ];
  for (const [text, k] of found) assert.is(findClass(text, LABELS, COUNT), k, text);
});

test('several classes are listed, not guessed at; a whole word comes before a part of one', () => {
  refused('crane', /expected one class, got "crane", which may be 3 \(crane\), 4 \(crane\)\. Give the number/);
  refused('cat', /which may be 1 \(tabby, tabby cat\), 2 \(tiger cat\)/);
  // "claw" is a word of one label; "law" a part of it alone.
  assert.is(findClass('law', LABELS, COUNT), 6);
});

test('no class: the nearest names are told', () => {
  refused('taby', /expected a class of this model, got "taby"\. The nearest are 1 \(tabby, tabby cat\)/);
  refused('red fex', /The nearest are 5 \(red fox/);
  refused('', /expected a class of this model/);
  refused('.*', /expected a class of this model/);
  refused('n09999999', /expected a class of this model/);
});

test('names without their ids', () => {
  assert.is(className(LABELS, 1), 'tabby, tabby cat');
  assert.is(shortClassName(LABELS, 1), 'tabby');
  assert.is(className(['plain'], 0), 'plain');
  assert.is(className(undefined, 7), 'class 7');
  assert.is(className(LABELS, 99), 'class 99');
  assert.is(className(['n01440764 '], 0), 'class 0');
});

test('lists of classes; a name may hold a comma itself', () => {
  assert.equal(parseClasses('top1,2,fox', LABELS, COUNT), ['top1', 2, 5]);
  assert.equal(parseClasses('top5', undefined, COUNT), ['top5']);
  assert.equal(parseClasses('tabby, tabby cat', LABELS, COUNT), [1, 1]);
  assert.equal(parseClasses('red fox, Vulpes vulpes', LABELS, COUNT), [5, 5]);
  assert.throws(() => parseClasses('2,nothing', LABELS, COUNT), /got "nothing"/);
  assert.throws(() => parseClasses('2,', LABELS, COUNT), /expected a class of this model, got ""/);
});

if (!dataPresent) {
  sayMissing('the names of ImageNet');
  test.skip('the names of ImageNet');
} else {
  test('the names of ImageNet', () => {
    const labels = readFileSync(dataPath('models', 'synset_words.txt'), 'utf8').trimEnd().split('\n');
    assert.is(labels.length, 1000);
    const found: [string, number][] = [
      ['bull mastiff', 243],
      ['tabby', 281],
      ['tiger cat', 282],
      ['n02123159', 282],
      ['goose', 99],
      ['bell pepper', 945],
    ];
    for (const [text, k] of found) assert.is(findClass(text, labels, 1000), k, text);
    assert.throws(() => findClass('crane', labels, 1000), /134 \(crane\), 517 \(crane\)/);
    assert.throws(() => findClass('bull mastff', labels, 1000), /The nearest are 243 \(bull mastiff\)/);
    labels.forEach((_, k) => assert.is(findClass(String(k), labels, 1000), k));
  });
}

test.run();
