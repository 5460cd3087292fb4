// Without bounds checks nothing may be read behind the end of a buffer: there a software adapter ends the process.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checker, makeProblem, type BenchCase } from '../../src/bench/index.ts';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { Executor } from '../../src/gpu/executor.ts';

const gpu = await openDevice({ mode: 'native' });

/** Grids that fill no whole number of workgroups, so that quads are left over; far enough from the end of x for its pages not to be there. */
const SHAPES: readonly (readonly [x: readonly number[], w: readonly number[]])[] = [
  [
    [1, 128, 56, 56],
    [16, 128, 1, 1],
  ],
  [
    [1, 24, 120, 120],
    [16, 24, 3, 3],
  ],
];

for (const [x, w] of SHAPES) {
  for (const direction of ['forward', 'dx', 'dw'] as const) {
    test(`native mode, x ${x} w ${w}, ${direction}`, async () => {
      const c: BenchCase = {
        id: 'native',
        kind: 'conv2d',
        layer: 'native',
        op: 'conv2d',
        attrs: {},
        inputs: [x, w],
        direction,
        batch: 1,
        software: true,
      };
      const problem = makeProblem(c, traitsOf(gpu));
      const inputs = { x0: problem.tensors.get('x0')! };
      const check = checker(problem);
      for (let build = 0; build < 4; build++) {
        const executor = await Executor.create(gpu, problem.plan, problem.tensors);
        try {
          for (let run = 0; run < 5; run++) {
            if (direction === 'forward') await executor.forward(inputs);
            else await executor.run(inputs, problem.seed!);
          }
          const got =
            direction === 'forward' ? await executor.readTensor('y') : await executor.readGradient(direction === 'dx' ? 'x0' : 'x1');
          const { passed, failure } = check(got);
          assert.ok(passed, failure);
        } finally {
          executor.dispose();
        }
      }
    });
  }
}

test.after(() => gpu.dispose());
test.run();
