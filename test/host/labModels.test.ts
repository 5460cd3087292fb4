// What the lab's page does with models before a device is asked: words on preprocessing, and a view that has to fit another model.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fitView } from '../../src/lab/fit.ts';
import { readPreprocess, writePreprocess } from '../../src/lab/preprocess.ts';
import { DEFAULT_VIEW, readView, writeView } from '../../src/lab/view.ts';

test('preprocessing as one word of the address', () => {
  for (const options of [
    { preprocess: 'caffe' },
    { preprocess: 'torchvision', size: '227', fit: 'squash' },
    { channels: 'bgr', scale: '1/255', mean: '104,117,123', std: '1', resize: '256' },
  ]) {
    assert.equal(readPreprocess(writePreprocess(options)), options);
    const view = { ...DEFAULT_VIEW, model: 'file:a model & more.onnx', preprocess: options, labels: 'ilsvrc2012' as const };
    assert.equal(readView(writeView(view)), { view, problems: [] });
  }
  for (const wrong of ['', 'size=1;caffe', 'caffe;', 'caffe;size=1;size=2', 'colour=1', 'caffe;preprocess=own', 'size'.concat(';size')])
    assert.is(readPreprocess(wrong), undefined, wrong);
  const { view, problems } = readView('preprocess=colour%3D1&labels=coco');
  assert.is(view.preprocess, null);
  assert.is(view.labels, null);
  assert.is(problems.length, 2);
  assert.match(problems[0], /^preprocess: expected .*, got "colour=1"\.$/);
  assert.match(problems[1], /^labels: expected one of ilsvrc2012, got "coco"\.$/);
});

const MODEL = {
  title: 'small',
  classes: 10,
  layers: [
    { name: 'conv1', shape: [1, 8, 5, 6] },
    { name: 'relu1', shape: [1, 8, 5, 6] },
    { name: 'fc', shape: [1, 10] },
  ],
};

test('a view that fits is left alone', () => {
  const view = { ...DEFAULT_VIEW, class: 9, layer: 'conv1', unit: [7, 4, 5], at: { relu1: 'guided', 'relu*': 'linear' } };
  assert.equal(fitView(view, MODEL), { change: {}, words: [] });
  assert.equal(fitView({ ...DEFAULT_VIEW, layer: 'fc', unit: [9] }, MODEL), { change: {}, words: [] });
  assert.equal(fitView(DEFAULT_VIEW, MODEL), { change: {}, words: [] });
});

test('what the model does not have leaves the view, with a word', () => {
  const refused = (view: Partial<typeof DEFAULT_VIEW>, change: Partial<typeof DEFAULT_VIEW>, ...words: RegExp[]): void => {
    const got = fitView({ ...DEFAULT_VIEW, ...view }, MODEL);
    assert.equal(got.change, change);
    assert.is(got.words.length, words.length);
    words.forEach((word, i) => assert.match(got.words[i], word));
  };
  refused({ class: 10 }, { class: null }, /^small has 10 classes and no class 10: its best one is shown\.$/);
  refused({ layer: 'conv2' }, { layer: null }, /^small has no layer "conv2"\.$/);
  refused({ layer: 'conv2', unit: [1, 1, 1] }, { layer: null, unit: null }, /no layer "conv2"/);
  refused({ layer: 'conv1', unit: [8, 0, 0] }, { unit: null }, /^The layer "conv1" of small is 8x5x6 and has no unit 8,0,0\.$/);
  refused({ layer: 'conv1', unit: [0, 5, 0] }, { unit: null }, /no unit/);
  refused({ layer: 'conv1', unit: [0] }, { unit: null }, /no unit/);
  refused({ layer: 'fc', unit: [0, 0, 0] }, { unit: null }, /no unit/);
  refused({ at: { relu1: 'guided', 'pool?': 'all' } }, { at: { relu1: 'guided' } }, /no layer "pool\?": the rule for it is dropped/);
});

test.run();
