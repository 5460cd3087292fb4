// `backlight verify` as a user meets it: a table, exit codes, a file of residuals.
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeGraph, writeNpy, writeSafetensors } from '../../src/formats/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import { IDENTITIES } from '../../src/verify/identity.ts';
import { buildCommand } from '../command.ts';
import { smallNet } from '../smallnet.ts';

const command = await buildCommand();
const { at } = command;
const net = smallNet(1);
writeFileSync(at('net.json'), writeGraph(net.graph));
writeFileSync(at('net.safetensors'), writeSafetensors(net.parameters as Map<string, Tensor>));
writeFileSync(at('x.npy'), writeNpy({ shape: [2, 3, 16, 12], data: new Float32Array(2 * 576).fill(0.5) }));

test('every identity in a table, and every residual in a file', async () => {
  const { code, out, err } = await command.run(['verify', 'net.json', '--batch', '2', '--json', 'v.json', '--verbose']);
  assert.is(code, 0, err);
  const lines = out.split('\n');
  for (const name of Object.keys(IDENTITIES))
    assert.ok(
      lines.some((line) => line.startsWith(`${name}  `) && line.includes('holds')),
      name,
    );
  assert.match(out, /^S = <w, I> \+ b: /m);
  assert.match(out, /^fc +linear +bias +-?\d/m);
  assert.match(out, /^every identity holds$/m);
  const report = JSON.parse(readFileSync(at('v.json'), 'utf8'));
  assert.is(report.passed, true);
  assert.equal(report.shape, [2, 3, 16, 12]);
  assert.equal(
    report.identities.map(({ name }: { name: string }) => name),
    Object.keys(IDENTITIES),
  );
  const { score, along, bias, remainder, shares } = report.account;
  assert.ok(Math.abs(score - along - bias - remainder) < 1e-5);
  assert.equal(
    shares.map(({ node }: { node: string }) => node),
    ['fc'],
  );
  for (const { rows, worst } of report.identities) {
    for (const row of rows) assert.ok(Math.abs(row.residual) <= row.bound && row.ratio <= worst.ratio);
  }
});

test('an input of several items is its own batch; a bad question is refused', async () => {
  assert.is((await command.run(['verify', 'net.json', '--input', 'x.npy', '--target', '3'])).code, 0);
  for (const [message, ...args] of [
    [/--batch: expected an input of one item with it, got "x.npy" 2x3x16x12/, '--input', 'x.npy', '--batch', '3'],
    [/--batch: expected an integer of at least 1, got "0"/, '--batch', '0'],
    [/--target: expected a class in \[0, 5\], got 6/, '--target', '6'],
    [/--json: expected a file name ending in .json, got "v.txt"/, '--json', 'v.txt'],
  ] as const) {
    const { code, err } = await command.run(['verify', 'net.json', ...args]);
    assert.is(code, 2, err);
    assert.match(err, message);
  }
});

test.run();
