// Small random networks of every op, under every rule and under overrides: each layer within its rounding bound, gradients with respect to
// the input and to every parameter as f64 has them on the same branch.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/gpu/device.ts';
import { valueInfo, typeGraph } from '../../src/graph.ts';
import { Network, withLoss } from '../../src/network.ts';
import { backReference, runReference, widen } from '../../src/reference/graph.ts';
import type { F64Tensor } from '../../src/reference/types.ts';
import { RULES, type RuleSpec } from '../../src/rule.ts';
import { size } from '../../src/tensor.ts';
import { gradcheck } from '../../src/verify/gradcheck.ts';
import { fill, normal } from '../../src/verify/random.ts';
import { gamma } from '../../src/reference/bounds.ts';
import { randomNet, type RandomNet } from '../nets.ts';

const gpu = await openDevice();
const NETS = 24;

/** What the issue of correctness asks of gradients: 1e-6 relative in the Euclidean norm, on the branch taken. */
const RELATIVE_L2 = 1e-6;

/** gamma of the roundings along the longest path, up and down: the fan-in of every layer, and a dozen for each node besides. */
function pathBound({ graph }: RandomNet): number {
  const weights = new Map(graph.parameters.map((p) => [p.name, size(p.shape.slice(1))]));
  const fanIn = graph.nodes
    .flatMap((node) => node.inputs)
    .reduce((sum, name) => sum + (/^(w|fc\d\.w)/.test(name) ? weights.get(name)! : 0), 0);
  return gamma(2 * (fanIn + 12 * graph.nodes.length));
}

for (let n = 0; n < NETS; n++) {
  const net = randomNet(n);
  const relus = net.graph.nodes.filter((node) => node.op === 'relu').map((node) => node.name);
  // Every net under two of the four rules in turn, and under a mixture: the first ReLU and every third one differ from the rest.
  const mixed: RuleSpec = {
    relu: RULES[n % 4],
    at: Object.fromEntries(relus.filter((_, i) => i % 3 === 0).map((name, i) => [name, RULES[(n + 1 + i) % 4]])),
  };
  const rules: RuleSpec[] = [{ relu: RULES[n % 4] }, { relu: RULES[(n + 2) % 4] }, mixed];
  for (const rule of rules) {
    test(`net ${n}: ${net.graph.nodes.length} nodes, ${JSON.stringify(rule)}`, async () => {
      const { shape } = valueInfo(typeGraph(net.graph), net.graph.scores!);
      const seed = { shape, data: fill(size(shape), normal(n + 50)) };
      const wrt = ['x', ...net.graph.parameters.map((p) => p.name).filter((name) => !/^(mean|variance)/.test(name))];
      const report = await gradcheck(gpu, net.graph, net.parameters, net.input, { target: net.graph.scores!, seed, rule, wrt });
      for (const layer of report.layers) {
        for (const part of [layer.forward, layer.backward]) {
          assert.ok(!part || part.worst <= 1, `${layer.op} "${layer.node}": ${JSON.stringify(part)}`);
        }
      }
      assert.is(report.gradients.length, wrt.length);
      const [input, ...parameters] = report.gradients.map((gradient) => gradient.takenBranch);
      assert.ok(input.relativeL2 <= RELATIVE_L2, `x: ${JSON.stringify(input)}`);
      // As one vector: the gradient of a single bias may be a small difference of large sums, and has no more digits than they leave it.
      const error = Math.hypot(...parameters.map((p) => p.relativeL2 * (p.norm || 1)));
      const norm = Math.hypot(...parameters.map((p) => p.norm));
      assert.ok(error <= pathBound(net) * norm, `parameters: relative L2 ${error / norm}`);
    });
  }
}

for (let n = 30; n < 36; n++) {
  test(`net ${n}: gradients of the mean cross-entropy with respect to every parameter`, async () => {
    const { graph, parameters, input } = randomNet(n);
    const network = new Network(gpu, graph, parameters);
    try {
      const [items, classes] = valueInfo(typeGraph(graph), graph.scores!).shape;
      const labels = Array.from({ length: items }, (_, i) => (n + i) % classes);
      const { loss, gradients } = await network.parameterGradients(input, labels);
      const typed = typeGraph(withLoss(graph));
      const sources = new Map<string, F64Tensor>([
        ['x', widen(input)],
        ['#labels', { shape: [items], data: Float64Array.from(labels) }],
        ...[...parameters].map(([name, value]) => [name, widen(value)] as const),
      ]);
      const values = runReference(typed, sources);
      const seed = { shape: [], data: Float64Array.of(1) };
      const wrt = [...gradients.keys()];
      assert.ok(wrt.length >= 4 && wrt.includes('fc1.w'));
      const want = backReference(typed, values, { target: '#loss', seed, wrt, rule: { relu: 'gradient' } });
      assert.ok(Math.abs(loss - values.get('#loss')!.data[0]) <= 1e-6 * Math.max(1, loss));
      let [error, norm] = [0, 0];
      for (const [name, gradient] of gradients) {
        const exact = want.get(name)!;
        assert.equal(gradient.shape, exact.shape, name);
        gradient.data.forEach((v, i) => {
          error += (v - exact.data[i]) ** 2;
          norm += exact.data[i] ** 2;
        });
      }
      assert.ok(Math.sqrt(error / norm) <= pathBound({ graph, parameters, input }), `relative L2 ${Math.sqrt(error / norm)}`);
    } finally {
      await network.dispose();
    }
  });
}

test.after(() => gpu.dispose());
test.run();
