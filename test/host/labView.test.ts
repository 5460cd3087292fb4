// The lab's address: a view comes back from it as it was, and what makes no sense in it is told and left at its default.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Kept } from '../../src/lab/worker/kept.ts';
import { DEFAULT_VIEW, readView, ruleOf, writeView, type View } from '../../src/lab/view.ts';

const back = (view: View): View => {
  const { view: read, problems } = readView(`#${writeView(view)}`);
  assert.equal(problems, []);
  return read;
};

test('the default view is the empty address', () => {
  assert.is(writeView(DEFAULT_VIEW), '');
  assert.equal(readView(''), { view: DEFAULT_VIEW, problems: [] });
  assert.equal(readView('#'), { view: DEFAULT_VIEW, problems: [] });
});

test('every knob comes back from the address', () => {
  const turned: Partial<View>[] = [
    { tab: 'layers' },
    { model: 'squeezenet1.1' },
    { model: 'file:my model & more.onnx' },
    { photo: 'file:a=b#c?d %20 é.png' },
    { class: 0 },
    { class: 999 },
    { score: 'logodds' },
    { views: 10 },
    { rules: { relu: 'guided', zero: 'open', maxpool: 'average-ties', lrn: 'identity' } },
    { at: { relu3: 'linear', 'block*/relu?': 'guided', 'odd=name': 'deconvnet', 'a b&c': 'last' } },
    { reduce: 'l2' },
    { reduce: 'signed', colours: 'rdbu' },
    { reduce: 'signed', colours: 'turbo' },
    { reduce: 'signed', colours: 'inferno' },
    { colours: 'greys' },
    { clip: 97.5 },
    { show: 'map' },
    { show: 'photo' },
    { scale: 'own' },
    { layer: 'inception_4c/output', unit: [3, 5, 5], step: 4 },
    { unit: [7] },
    { lambda: 0, rate: 0.25, seed: 12 },
  ];
  for (const change of turned) {
    const view = { ...DEFAULT_VIEW, ...change };
    assert.equal(back(view), view, JSON.stringify(change));
  }
  const all = Object.assign({}, DEFAULT_VIEW, ...turned) as View;
  assert.equal(back(all), all);
});

test('the order of overrides is kept: of two patterns the later one counts', () => {
  const view = { ...DEFAULT_VIEW, at: { 'relu?': 'linear', 'relu*': 'guided' } };
  assert.equal(Object.keys(back(view).at), ['relu?', 'relu*']);
  assert.equal(ruleOf(view), { ...DEFAULT_VIEW.rules, at: view.at });
  assert.equal(ruleOf(DEFAULT_VIEW), DEFAULT_VIEW.rules);
});

test('signs are drawn from blue to red unless the address says otherwise', () => {
  assert.is(readView('reduce=signed').view.colours, 'rdbu');
  assert.is(writeView({ ...DEFAULT_VIEW, reduce: 'signed', colours: 'rdbu' }), 'reduce=signed');
  assert.is(readView('colours=magma&reduce=signed').view.colours, 'magma');
});

test('what makes no sense is told, and the rest of the address counts', () => {
  const cases: readonly [string, RegExp][] = [
    ['tab=looks', /^tab: expected one of look, layers, model, bench, got "looks"\.$/],
    ['class=-1', /^class: expected a whole number, got "-1"\.$/],
    ['class=1.5', /^class: expected a whole number/],
    ['class=', /^class: expected a whole number, got ""\.$/],
    ['score=odds', /^score: expected one of scores, posterior, logodds, got "odds"\.$/],
    ['views=5', /^views: expected one of 1, 10, got "5"\.$/],
    ['relu=deconv', /^relu: expected one of gradient, deconvnet, guided, linear, got "deconv"\.$/],
    ['maxpool=second', /^maxpool: expected one of switches/],
    ['reduce=mean', /^reduce: expected one of max, l2, sum, signed, got "mean"\.$/],
    ['clip=0', /^clip: expected a percentile above 0 and at most 100, got "0"\.$/],
    ['clip=101', /^clip: expected a percentile/],
    ['clip=half', /^clip: expected a percentile/],
    ['colours=jet', /^colours: expected one of inferno/],
    ['colours=rdbu', /^colours: expected rdbu with reduce=signed alone, since magnitudes have no sign, got reduce=max\.$/],
    ['show=all', /^show: expected one of overlay, map, photo, got "all"\.$/],
    ['scale=log', /^scale: expected one of shared, own, got "log"\.$/],
    ['at=relu1', /^at: expected LAYER=RULE, got "relu1"\.$/],
    ['unit=1,x', /^unit: expected coordinates as 3,5,5, got "1,x"\.$/],
    ['lambda=-1', /^lambda: expected a number of at least 0/],
    ['rate=0', /^rate: expected a number above 0/],
    ['nonsense=1', /^address: expected what a view consists of, got "nonsense"\.$/],
  ];
  for (const [text, words] of cases) {
    const { view, problems } = readView(`#seed=3&${text}`);
    assert.is(problems.length, 1, text);
    assert.match(problems[0], words);
    assert.equal(view, { ...DEFAULT_VIEW, seed: 3 }, text);
  }
});

test('a layer may bear any name', () => {
  const { view } = readView('at=__proto__=linear&at=constructor=guided');
  assert.equal(Object.keys(view.at), ['__proto__', 'constructor']);
});

test('answers are kept until the edition rises, and the one that was asked for longest ago goes first', async () => {
  let edition = 1;
  let made = 0;
  const kept = new Kept<number>(() => edition, 2);
  const ask = (question: unknown): Promise<number> => kept.get(question, async () => ++made);
  assert.equal([await ask('a'), await ask('b'), await ask('a')], [1, 2, 1]);
  assert.equal([await ask('c'), await ask('a'), await ask('b')], [3, 1, 4]);
  edition++;
  assert.is(await ask('a'), 5);
  // Made for one photo while another was taken: of neither.
  const late = await kept.get('late', async () => {
    edition++;
    return 10;
  });
  assert.equal([late, await ask('late')], [10, 6]);
});

test.run();
