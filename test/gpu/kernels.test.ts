// Every op of the case table on the device: forward and every adjoint within the rounding bound, adjoint identities, NaN-poisoned buffers.
// The kernels for GPUs too, on whatever device there is.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { CASES, describeCase } from '../../src/verify/cases.ts';
import { checkCase, explainFailure } from '../../src/verify/kernels.ts';

const gpu = await openDevice();

for (const c of CASES) {
  test(describeCase(c), async () => {
    const report = await checkCase(gpu, c, undefined, [traitsOf(gpu), { quads: false, tiles: true }]);
    assert.ok(report.comparisons.length > 0, 'expected at least one comparison');
    assert.ok(report.passed, explainFailure(report));
  });
}

test.after(() => gpu.dispose());
test.run();
