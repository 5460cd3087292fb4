// Two real ImageNet networks on four real images: scores, input gradients, every layer within its bound; the plan's memory; warm run times.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import type { Graph } from '../../src/graph.ts';
import { loadModel } from '../../src/models/model.ts';
import { Network, requireScores } from '../../src/network.ts';
import { planMemory } from '../../src/explain.ts';
import { compile } from '../../src/plan.ts';
import { RULES } from '../../src/rule.ts';
import { size, type AnyTensor, type Tensor } from '../../src/tensor.ts';
import { certify, type CertifyOptions } from '../../src/verify/certify.ts';
import { gradcheck } from '../../src/verify/gradcheck.ts';
import { dataPath, dataPresent, readFloats, sayMissing } from '../data.ts';

interface Golden {
  readonly file: string;
  readonly name: string;
  /** Side of the input. */
  readonly side: number;
  /** Limit of the warm run, forward and backward, on the software adapter; ms. */
  readonly warmMs: number;
}

const MODELS: readonly Golden[] = [
  { file: 'squeezenet1.1.onnx', name: 'squeezenet_v1.1', side: 227, warmMs: 4000 },
  { file: 'googlenet.onnx', name: 'bvlc_googlenet', side: 224, warmMs: 12000 },
];
const MEAN_BGR = [104, 117, 123];
/** Scores against ONNX Runtime's; gradients against f64 on the branch taken, relative in the Euclidean norm. */
const SCORE_TOLERANCE = 1e-4;
const GRADIENT_TOLERANCE = 1e-6;

/** The middle `side` x `side` of a 227 x 227 RGB picture as BGR less the mean, [1, 3, side, side]. */
function input(file: string, side: number): Tensor {
  const rgb = readFileSync(file);
  const offset = (227 - side) >> 1;
  const data = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) data[(c * side + i) * side + j] = rgb[((i + offset) * 227 + j + offset) * 3 + 2 - c] - MEAN_BGR[c];
    }
  }
  return { shape: [1, 3, side, side], data };
}

/** Every deviation from f64 is rounding within its bound, or a decision that rounding leaves open. */
async function checkCertificate(
  name: string,
  graph: Graph,
  parameters: ReadonlyMap<string, AnyTensor>,
  x: Tensor,
  options: CertifyOptions,
): Promise<void> {
  const c = await certify(gpu!, graph, parameters, x, options);
  assert.equal(c.reasons, []);
  assert.ok(c.takenBranch.relativeL2 <= GRADIENT_TOLERANCE, `on the branch taken: ${c.takenBranch.relativeL2}`);
  assert.is(c.layers.length, graph.nodes.length);
  assert.is(c.decisions.list.filter((d) => d.differs).length, c.decisions.differing);
  if (c.decisions.differing === 0) assert.ok(c.endToEnd.relativeL2 <= GRADIENT_TOLERANCE, `against f64: ${c.endToEnd.relativeL2}`);
  // What the decisions do, and rounding on the branch taken, is all there is.
  else assert.ok(Math.abs(c.endToEnd.relativeL2 - c.byDecisions.relativeL2) <= 2 * GRADIENT_TOLERANCE);
  const where = c.decisions.list.filter((d) => d.differs).map((d) => `${d.node}[${d.index}], ${d.marginUlp.toFixed(1)} ulp`);
  console.log(
    `measured: ${name}: ${c.decisions.open} open decisions, ${c.decisions.differing} differ${where.length > 0 ? ` (${where.slice(0, 3).join('; ')})` : ''}, ` +
      `gradient ${c.endToEnd.relativeL2.toExponential(1)} from f64, ${c.takenBranch.relativeL2.toExponential(1)} on the branch taken` +
      (c.explained === null ? '' : `, explained ${(100 * c.explained).toFixed(4)} %`),
  );
}

const gpu = dataPresent ? await openDevice() : undefined;

if (!gpu) {
  sayMissing('golden networks');
  test.skip('golden networks');
} else {
  const images = readdirSync(dataPath('golden')).filter((name) => name.endsWith('.rgb.u8'));
  assert.is(images.length, 4);
  for (const golden of MODELS) {
    const model = await loadModel(dataPath('models', golden.file));
    const { graph, parameters } = model.at();
    const scoresName = requireScores(graph);
    const network = new Network(gpu, graph, parameters);

    for (const [index, image] of images.entries()) {
      const id = image.split('.')[0];
      const x = input(dataPath('golden', image), golden.side);
      const classes = readdirSync(dataPath('golden')).flatMap((name) => {
        const match = new RegExp(`^${id}\\.${golden.name}\\.grad_class(\\d+)`).exec(name);
        return match ? [{ name, target: Number(match[1]) }] : [];
      });
      assert.ok(classes.length > 0);

      test(`${golden.name} ${id}: scores`, async () => {
        const want = readFloats(dataPath('golden', `${id}.${golden.name}.logits.f32`));
        const got = (await network.scores(x)).data;
        assert.is(got.length, want.length);
        const worst = got.reduce((most, v, i) => Math.max(most, Math.abs(v - want[i])), 0);
        assert.ok(worst <= SCORE_TOLERANCE, `largest difference ${worst}`);
      });

      for (const [place, { name, target }] of classes.entries()) {
        // The gradient end to end for every image and class; layer by layer too under one rule for each image.
        for (const rule of place === 0 ? new Set(['gradient' as const, RULES[index]]) : ['gradient' as const]) {
          test(`${golden.name} ${id}: class ${target}, ${rule}`, async () => {
            const seed = { shape: [1, 1000], data: new Float32Array(1000) };
            seed.data[target] = 1;
            const shaped = { shape: (await network.forward(x)).get(scoresName)!.shape, data: seed.data };
            if (rule === 'gradient' && place === 0) {
              await checkCertificate(`${golden.name} ${id}`, graph, parameters, x, {
                target: scoresName,
                seed: shaped,
                rule: { relu: rule },
              });
              return;
            }
            const layers = rule === RULES[index];
            const report = await gradcheck(gpu, graph, parameters, x, {
              target: scoresName,
              seed: shaped,
              rule: { relu: rule },
              layers,
            });
            assert.is(report.layers.length, layers ? graph.nodes.length : 0);
            assert.equal(
              report.layers.filter((layer) => !layer.passed).map((layer) => layer.node),
              [],
            );
            const [{ takenBranch, endToEnd }] = report.gradients;
            assert.ok(takenBranch.relativeL2 <= GRADIENT_TOLERANCE, `on the branch taken: ${takenBranch.relativeL2}`);
            if (report.decisions.differing === 0)
              assert.ok(endToEnd.relativeL2 <= GRADIENT_TOLERANCE, `against f64: ${endToEnd.relativeL2}`);
            else {
              const where = report.decisions.list.map((d) => `${d.node}[${d.index}] ${d.a} | ${d.b}`).slice(0, 3);
              console.log(
                `measured: ${golden.name} ${id} ${rule}: ${report.decisions.differing} decisions differ from f64 (${where.join('; ')}), ` +
                  `gradient ${endToEnd.relativeL2.toExponential(1)} from f64, ${takenBranch.relativeL2.toExponential(1)} on the branch taken`,
              );
            }
            // What another framework computed in f32 may have taken yet another branch: then it differs as much as branches do.
            if (rule === 'gradient') {
              const want = readFloats(dataPath('golden', name));
              const { gradient } = await network.gradient(x, { target });
              let [d, n] = [0, 0];
              want.forEach((v, i) => {
                d += (v - gradient.data[i]) ** 2;
                n += v * v;
              });
              assert.ok(Math.sqrt(d / n) < 5e-3, `against the golden file: ${Math.sqrt(d / n)}`);
            }
          });
        }
      }
    }

    test(`${golden.name}: warm time of forward and backward`, async () => {
      const x = input(dataPath('golden', images[0]), golden.side);
      await network.gradient(x, { target: 1 });
      const started = performance.now();
      await network.gradient(x, { target: 1 });
      const ms = performance.now() - started;
      console.log(`measured: ${golden.name} input gradient, warm: ${ms.toFixed(0)} ms on ${gpu.info.name}`);
      assert.ok(ms < golden.warmMs, `${ms} ms`);
    });

    test(`${golden.name}: the plan needs at most half of what its tensors need together`, () => {
      const memory = planMemory(compile(graph, { target: scoresName }));
      console.log(`measured: ${golden.name}: ${memory.slots} bytes in slots, ${memory.sum} together, least possible ${memory.lowerBound}`);
      assert.ok(memory.slots <= memory.sum / 2);
      assert.ok(memory.slots >= memory.lowerBound);
    });

    test(`${golden.name}: a batch gives each item what it gets alone`, async () => {
      const [a, b] = images.slice(0, 2).map((image) => input(dataPath('golden', image), golden.side));
      const shape = [2, ...a.shape.slice(1)];
      const both = { shape, data: new Float32Array(size(shape)) };
      both.data.set(a.data);
      both.data.set(b.data, a.data.length);
      const batched = model.at({ [model.input.name]: shape });
      const pair = new Network(gpu, batched.graph, batched.parameters);
      try {
        const { gradient, targets } = await pair.gradient(both, { target: 'top1' });
        for (const [n, alone] of [
          await network.gradient(a, { target: targets![0] }),
          await network.gradient(b, { target: targets![1] }),
        ].entries()) {
          assert.equal(gradient.data.subarray(n * a.data.length, (n + 1) * a.data.length), alone.gradient.data);
        }
      } finally {
        await pair.dispose();
      }
    });

    test.after(() => network.dispose());
  }
  test.after(() => gpu.dispose());
}
test.run();
