// The registry as data, a registry of one's own, class names, and what a name or a path stands for.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, InputError } from '../../src/errors.ts';
import { parsePreprocess } from '../../src/image/preprocess.ts';
import { findClass } from '../../src/models/labels.ts';
import { labelSet, REGISTRY } from '../../src/models/registry.ts';
import { parseRegistry, readRegistry } from '../../src/models/registryFile.ts';
import { modelLabels } from '../../src/models/card.ts';
import { DEFAULT_MODEL, findEntry, openModel, resolveModel, shippedModel } from '../../src/models/resolve.ts';
import { dataPath, dataPresent, sayMissing } from '../data.ts';
import { model, node, valueInfo } from '../onnx-writer.ts';
import { sha256 } from '../server.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backlight-registry-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// Nothing here may ask the internet, or find what this user has cached.
process.env.BACKLIGHT_CACHE = path.join(folder, 'cache');
process.env.BACKLIGHT_MODELS_URL = 'http://127.0.0.1:9/';
delete process.env.BACKLIGHT_REGISTRY;

/** A function of one input, for which no server is needed: its file lies in the cache. */
const onnx = model({
  nodes: [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['y'])],
  inputs: [valueInfo('x', [1, 3, 4, 4])],
  outputs: [valueInfo('y', [1, 3])],
});
const own = {
  models: [
    {
      name: 'average',
      path: 'average.onnx',
      sources: ['https://example.invalid/'],
      sha256: sha256(onnx),
      bytes: onnx.length,
      labels: ['red', 'green', 'blue'],
      preprocess: { size: [4, 4], fit: 'squash', channels: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
    },
  ],
};
mkdirSync(path.join(folder, 'cache', 'models'), { recursive: true });
const cached = path.join(folder, 'cache', 'models', 'average.onnx');
writeFileSync(cached, onnx);
writeFileSync(path.join(folder, 'own.json'), JSON.stringify(own));

async function refused(promise: Promise<unknown>, ...words: RegExp[]): Promise<void> {
  const error = await promise.then(
    () => assert.unreachable('expected an error'),
    (e: Error) => e,
  );
  assert.instance(error, InputError);
  for (const word of words) assert.match(error!.message, word);
}

test('every entry is whole: a name of its own, a sha256, a card that reads', () => {
  assert.is(REGISTRY.length, 10);
  assert.is(new Set(REGISTRY.map(({ name }) => name)).size, 10);
  assert.is(new Set(REGISTRY.map(({ sha256: hash }) => hash)).size, 10);
  for (const entry of REGISTRY) {
    assert.match(entry.name, /^[a-z0-9][a-z0-9.-]*$/);
    assert.match(entry.sha256, /^[0-9a-f]{64}$/);
    assert.ok(entry.bytes > 4e6 && entry.bytes < 600e6, entry.name);
    assert.ok(entry.sources.every((source) => source.startsWith('https://') && source.endsWith('/')));
    assert.equal(parsePreprocess(entry.preprocess, entry.name).size, [224, 224]);
    assert.ok(entry.what && entry.note && entry.licence);
  }
});

test('the class names are 1000 synsets in the order of their ids', async () => {
  const labels = await labelSet('ilsvrc2012');
  assert.is(labels.length, 1000);
  const ids = labels.map((label) => /^(n\d{8}) \S/.exec(label)![1]);
  assert.equal(ids, [...new Set(ids)].sort());
  assert.is(findClass('bull mastiff', labels, 1000), 243);
  assert.is(findClass('baboon', labels, 1000), 372);
});

if (dataPresent) {
  test('they are those of the data set', async () => {
    const lines = readFileSync(dataPath('models', 'synset_words.txt'), 'utf8').trim().split('\n');
    assert.equal(await labelSet('ilsvrc2012'), lines);
  });
} else {
  sayMissing('class names');
  test.skip('they are those of the data set', () => {});
}

test('a registry of one own joins the built-in one; damaged ones are refused', async () => {
  assert.is(await readRegistry(undefined), REGISTRY);
  const both = await readRegistry(path.join(folder, 'own.json'));
  assert.is(both.length, 11);
  assert.is(findEntry('Average', both).bytes, onnx.length);
  await refused(readRegistry(path.join(folder, 'nope.json')), /BACKLIGHT_REGISTRY: expected a readable file, got ".*nope.json" \(ENOENT\)/);
  const entry = own.models[0];
  const wrong: [unknown, RegExp][] = [
    [[], /expected an object with a list "models"/],
    [{ models: ['x'] }, /expected model 0 to be an object/],
    [{ models: [{ ...entry, name: '../up' }] }, /expected a name .* got "\.\.\/up"/],
    [{ models: [{ ...entry, name: 'a.onnx' }] }, /expected a name/],
    [{ models: [{ ...entry, name: 'vgg16' }] }, /got "vgg16", which is taken/],
    [{ models: [entry, entry] }, /got "average", which is taken/],
    [{ models: [{ ...entry, sha256: entry.sha256.toUpperCase() }] }, /64 lower case hexadecimal digits/],
    [{ models: [{ ...entry, bytes: -1 }] }, /expected bytes of "average"/],
    [{ models: [{ ...entry, sources: ['ftp://x/'] }] }, /addresses https:/],
    [{ models: [{ ...entry, sources: undefined }] }, /expected sources for "average"/],
    [{ models: [{ ...entry, preproces: {} }] }, /got "preproces"/],
    [{ models: [{ ...entry, labels: 'imagenet' }] }, /expected labels/],
  ];
  for (const [json, word] of wrong) {
    assert.throws(
      () => parseRegistry(json, 'own.json'),
      (e: Error) => e instanceof FormatError && word.test(e.message) && /Mend own\.json/.test(e.message),
      String(word),
    );
  }
});

test('paths stay paths; names are looked up in any case; unknown ones name their neighbours', async () => {
  assert.is(await resolveModel('some/where/vgg16.onnx'), 'some/where/vgg16.onnx');
  assert.is(await resolveModel('net.JSON'), 'net.JSON');
  const file = path.join(folder, 'weights');
  writeFileSync(file, '');
  assert.is(await resolveModel(file), file);
  process.env.BACKLIGHT_REGISTRY = path.join(folder, 'own.json');
  try {
    assert.is(await resolveModel('Average'), cached);
  } finally {
    delete process.env.BACKLIGHT_REGISTRY;
  }
  await refused(resolveModel('vgg61'), /expected a file \.onnx or \.json, or a name, got "vgg61"\. The nearest names are vgg16, vgg19/);
  await refused(resolveModel('average'), /"backlight models" lists/);
  await refused(resolveModel('squeezenet'), /nearest names are squeezenet1\.[01], squeezenet1\.[01]/);
  await refused(resolveModel(folder), /expected a file \.onnx or \.json, or a name/);
  // No server: the error is of the connection, not of the name.
  await refused(resolveModel('vgg16'), /models: expected vgg16 \(553437752 bytes\), got http:\/\/127\.0\.0\.1:9\//);
});

test('the registry is the card of a model without one; a card beside the file comes first', async () => {
  process.env.BACKLIGHT_REGISTRY = path.join(folder, 'own.json');
  try {
    const named = await openModel('average');
    assert.equal(named.card.preprocess, own.models[0].preprocess);
    assert.equal(await modelLabels(named), ['red', 'green', 'blue']);
    assert.equal((await openModel(cached)).card, {});
    const card = cached.replace('.onnx', '.json');
    writeFileSync(card, '{"labels": ["r", "g", "b"]}');
    assert.equal(await modelLabels(await openModel('average')), ['r', 'g', 'b']);
    rmSync(card);
  } finally {
    delete process.env.BACKLIGHT_REGISTRY;
  }
  assert.is((await modelLabels({ card: { labelSet: 'ilsvrc2012' } }))!.length, 1000);
  assert.is(await modelLabels({ card: {} }), undefined);
});

test('default is the network in the package folder', async () => {
  const file = path.resolve('weights', `${DEFAULT_MODEL}.json`);
  if (existsSync(file)) {
    assert.is(await resolveModel('default'), file);
    assert.is(await resolveModel(DEFAULT_MODEL), file);
  } else await refused(shippedModel(), /expected the shipped network in ".*weights.*", found none/);
});

test.run();
