// A wrong kernel is caught: faults are planted one at a time in copies of the shaders, and the short list of cases that `doctor` runs must fail
// on each, under an op that uses the shader. Faults in what only GPUs run are looked for with a GPU's kernels, on whatever device there is.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice, traitsOf } from '../../src/gpu/device.ts';
import { OPS } from '../../src/ops/index.ts';
import type { Plan } from '../../src/plan.ts';
import { CASES, type OpCase } from '../../src/verify/cases.ts';
import { checkCase } from '../../src/verify/kernels.ts';

const gpu = await openDevice();

/** What the fault is, the shader, the text (its first occurrence, or every one), and what replaces it. */
const FAULTS: readonly (readonly [what: string, shader: string, find: string, replace: string])[] = [
  ['ReLU passes at zero', 'relu', '(v > vec4f())', '(v >= vec4f())'],
  ['ReLU with an open zero does not pass there', 'relu', 'zero == 1u', 'zero == 2u'],
  ['ReLU sign flipped', 'relu', 'r > vec4f()', 'r < vec4f()'],
  ['guided forgets the input', 'relu', 'open = open & (r > vec4f())', 'open = (r > vec4f())'],
  ['ReLU drops NaN', 'relu', 'return bitcast<vec4f>(select(bits, vec4u(), negative));', 'return select(vec4f(), v, v > vec4f());'],
  ['last maximum wins', 'maxpool2d', 'v > best.value', 'v >= best.value'],
  ['the last of equals overlooked', 'maxpool2d', 'choice == 1u', 'choice == 9u'],
  ['the middle of the kernel, not of the cells inside', 'maxpool2d', '(first + end - 1) / 2', '(kernel - 1) / 2'],
  ['ties: NaN apart from NaN', 'maxpool2d', '(a == b) | (isNan(a) & isNan(b))', 'a == b'],
  ['ties: cells between those of a dilated window', 'maxpool2d', '(iw - ow * g.strideWidth) % g.dilationWidth == 0', 'true'],
  ['ties: shares not divided', 'maxpool2d', 'signal[o] / max(ties, 1.0)', 'signal[o]'],
  ['global pool: the last of equals overlooked', 'globalpool', 'choice == 1u', 'choice == 9u'],
  ['global pool: the end instead of the middle', 'globalpool', 'geometry.middle, choice', 'geometry.extent - 1u, choice'],
  ['global pool: ties of another plane', 'globalpool', 'equal(x[i], maxima[p])', 'equal(x[i], maxima[0])'],
  ['global pool: shares not divided', 'globalpool', 'signal[p] / ties', 'signal[p]'],
  ['off-by-one padding in a pool', 'maxpool2d', 'g.strideHeight - g.padTop;', 'g.strideHeight - g.padTop + 1;'],
  ['switch of the neighbouring window', 'maxpool2d', 'i32(switchAt(o)) - rowPlace', 'i32(switchAt(max(o, 1u) - 1u)) - rowPlace'],
  ['pool: a column of the strip lost', 'maxpool2d', 'left > 3', 'left > 4'],
  ['average pool divides by the kernel', 'avgpool2d', 'return f32(max(1, rows * columns))', 'return f32(g.kernelHeight * g.kernelWidth)'],
  ['global pool: one divisor less', 'globalpool', 'y[p] = sum / f32(geometry.extent)', 'y[p] = sum / f32(geometry.extent + 1u)'],
  ['convolution: lost bias (direct)', 'conv2d', 'g.biased == 1u', 'g.biased == 2u'],
  ['convolution: lost bias (tile)', 'conv2d_tile', 'g.biased == 1u', 'g.biased == 2u'],
  ['convolution: lost bias (quad)', 'conv2d_quad', 'g.biased == 1u', 'g.biased == 2u'],
  ['convolution: missing group', 'conv2d_tile', 'image0 = (p0.n * g.groups + part)', 'image0 = (p0.n * g.groups)'],
  ['convolution: dropped batch item', 'conv2d_tile', 'return Pixel(n,', 'return Pixel(0u,'],
  ['convolution: edge read instead of padding', 'conv2d_tile', 'let x3 = select(0.0, x[at3 + channel], in3)', 'let x3 = x[at3 + channel]'],
  ['convolution: wrong lane of a quad', 'conv2d_quad', 'quadBroadcast(own_1, 1u)', 'quadBroadcast(own_1, 2u)'],
  ['convolution: the second channel of two twice', 'conv2d_quad', 'row += 2u * pitch', 'row += pitch'],
  ['convolution: taps of a row the wrong way', 'conv2d_quad', 'abs(0 - leftmost)', '0'],
  ['convolution: taps the wrong way (depthwise)', 'conv2d_depth', 'sum[select(p, 3u - p, leftwards)]', 'sum[p]'],
  ['convolution: a window a column late (depthwise)', 'conv2d_depth', '(i32(u) + 3)', '(i32(u) + 4)'],
  ['convolution: a row too wide', 'conv2d_quad', '(6u <= last)', '(5u <= last)'],
  ['convolution: a span one channel short', 'conv2d_tile', 'min((span + 1u) * 64u, g.inputs)', 'min((span + 1u) * 64u, g.inputs) - 1u'],
  ['convolution: few channels, the next tap too early', 'conv2d_tile', 'let pastChannels = c == g.inputs', 'let pastChannels = c + 1u >= g.inputs'],
  ['convolution: few channels, a row too long', 'conv2d_quad', 'kw == i32(g.kernelWidth)', 'kw > i32(g.kernelWidth)'],
  ['convolution: lost bias (GPU)', 'conv2d_gemm', 'g.biased == 1u', 'g.biased == 2u'],
  ['convolution: bias in every slab (GPU)', 'conv2d_gemm', '(g.biased == 1u) & (slab == 0u)', 'g.biased == 1u'],
  ['convolution: missing group (GPU)', 'conv2d_gemm', 'image0 = (p0.n * g.groups + part)', 'image0 = (p0.n * g.groups)'],
  ['convolution: the tap behind the last channel (GPU)', 'conv2d_gemm', 'let known = k < g.inputs', 'let known = true'],
  ['convolution: edge read instead of padding (GPU)', 'conv2d_gemm', 'at2 + channel, in2 & known)], in2 & known)', 'at2 + channel, in2 & known)], known)'],
  ['convolution: the last slice again (GPU)', 'conv2d_gemm', 'if (step + 1u < end)', 'if (step + 2u < end)'],
  ['convolution: few channels, past the last tap (GPU)', 'conv2d_gemm', 'let known = k < total', 'let known = k + 1u < total'],
  ['convolution with a ReLU: the sign of y (direct)', 'conv2d', '< f.count', '> f.count'],
  ['convolution with a ReLU: NaN dropped (direct)', 'conv2d', 'vec2u(0x80000000u, 0x7f800001u)', 'vec2u(0x7f800001u, 0x807fffffu)'],
  ['convolution with a ReLU: passes at zero (tile)', 'conv2d_tile', '(x > 0.0)', '(x >= 0.0)'],
  ['convolution with a ReLU: NaN dropped (tile)', 'conv2d_tile', 'vec2u(0x80000000u, 0x7f800001u)', 'vec2u(0x7f800001u, 0x807fffffu)'],
  ['convolution with a ReLU: an open zero stops (tile)', 'conv2d_tile', 'x == 0.0', 'x != x'],
  ['convolution with a ReLU: the gate ignored (quad)', 'conv2d_quad', 'gated = f.gated', 'gated = false'],
  ['convolution with a ReLU: the gate of the neighbour (quad)', 'conv2d_quad', 'gate[place]', 'gate[place ^ 1u]'],
  ['convolution with a ReLU: NaN dropped (quad)', 'conv2d_quad', 'vec2u(0x80000000u, 0x7f800001u)', 'vec2u(0x7f800001u, 0x807fffffu)'],
  ['convolution with a ReLU: below zero passes (GPU)', 'conv2d_gemm', 'vec2u(0x80000000u, 0x7f800001u)', 'vec2u()'],
  ['convolution with a ReLU: NaN dropped (GPU)', 'conv2d_gemm', 'vec2u(0x80000000u, 0x7f800001u)', 'vec2u(0x7f800001u, 0x807fffffu)'],
  ['convolution with a ReLU: the gate ignored (GPU)', 'conv2d_gemm', 'if (f.gated)', 'if (false)'],
  ['split sums with a ReLU: below zero passes (GPU)', 'sum', 'vec2u(0x7f800001u, 0x807fffffu)', 'vec2u()'],
  ['split sums with a ReLU: passes at zero (GPU)', 'sum', '(x > 0.0)', '(x >= 0.0)'],
  ['split sums with a ReLU: an open zero stops (GPU)', 'sum', 'g.activation & 8u', 'g.activation & 16u'],
  ['packing: taps of the wrong phase', 'pack', 'g.firstRow', '0u'],
  ['packing: transposed weight', 'pack', 'g.outputPitch', 'g.inputPitch'],
  ['weight gradient: padding forgotten', 'conv2d_weight', 'g.padTop', '0'],
  ['weight gradient: padding forgotten (quad)', 'conv2d_weight_quad', '- g.padLeft', ''],
  ['weight gradient: rows past the end counted', 'conv2d_weight_quad', '(wanted < rows) & ', ''],
  ['weight gradient: wrong lane of a quad', 'conv2d_weight_quad', 'quadBroadcast(q1, 3u)', 'quadBroadcast(q1, 0u)'],
  ['weight gradient: dropped batch item (depthwise)', 'conv2d_weight_depth', 'g.batch * u32(g.yHeight)', 'u32(g.yHeight)'],
  ['weight gradient: the window does not move on (depthwise)', 'conv2d_weight_depth', 'v + 3 * g.dilationWidth', 'v + 2 * g.dilationWidth'],
  ['weight gradient: a column kept from the wrong place', 'conv2d_weight_quad', 'kept0_1 = x0_3', 'kept0_1 = x0_2'],
  ['weight gradient: a column past the end counted', 'conv2d_weight_quad', 'let more = ow + 1 < g.yWidth', 'let more = true'],
  ['weight gradient: padding forgotten (GPU)', 'conv2d_weight_gemm', '- g.padLeft', ''],
  ['weight gradient: a slab begun late (GPU)', 'conv2d_weight_gemm', 'var start = slab * g.slabPixels;', 'var start = slab * (g.slabPixels + 16u);'],
  ['weight gradient: the wrong strip (GPU)', 'conv2d_weight_gemm', 'row0.y', 'row0.z'],
  ['sums: a slab lost', 'sum', 'g.outer;', 'max(g.outer, 2u) - 1u;'],
  ['linear: a quarter of the row again (quad)', 'linear_row', 'quadBroadcast(a1, 2u)', 'quadBroadcast(a0, 2u)'],
  ['linear: a span too long (quad)', 'linear_row', 'min(start + SPAN, g.depth)', 'start + SPAN'],
  ['linear: a step of four read twice (quad)', 'linear_row', 'b[at.y + 2u * pitch]', 'b[at.y + 3u * pitch]'],
  ['linear: the second half of the row lost (quad)', 'linear_row', '(n + lanes) * 4u + j', 'n * 4u + j'],
  ['linear: beta ignored', 'linear', 'g.beta *', '1.0 *'],
  ['linear: transposed operand', 'linear', 'n + k * g.bRow', 'n + k * g.bColumn'],
  ['linear: beta ignored (quad)', 'linear_quad', 'g.beta *', '1.0 *'],
  ['linear: wrong rows of a quad', 'linear_quad', 'm + 4u + (member & 3u)', 'm + (member & 3u)'],
  ['linear: beta ignored (GPU)', 'linear_gemm', 'g.beta *', '1.0 *'],
  ['linear: products past the end (GPU)', 'linear_gemm', ', k < end);', ', true);'],
  ['linear: the addend in every slab (GPU)', 'linear_gemm', '(g.addend == 1u) & (slab == 0u)', 'g.addend == 1u'],
  ['linear: a sum of the tree lost (GPU)', 'linear_vector', 'var half = 64u', 'var half = 32u'],
  ['linear: a barrier lost (GPU)', 'linear_vector', '    workgroupBarrier();\n    if (local < half)', '    if (local < half)'],
  ['linear: slabs one product short (GPU)', 'linear_vector', 'for (; k < end; k++)', 'for (; k + 1u < end; k++)'],
  ['outer product: the wrong row (GPU)', 'linear_vector', 'n + m * g.columns', 'n + (m ^ 1u) * g.columns'],
  ['outer product: the last of four rows lost', 'linear_vector', 'four * 4u + 4u', 'four * 4u + 3u'],
  ['max-pooling: a pair of windows changes sides', 'maxpool2d', 'places == vec4u(2u, 3u, 2u, 3u)', 'places == vec4u(3u, 2u, 3u, 2u)'],
  ['max-pooling: the switch of the window before', 'maxpool2d', 'select(NONE, switchAt(o), there)', 'select(NONE, switchAt(max(o, 1u) - 1u), there)'],
  ['max-pooling: a window to the left forgotten', 'maxpool2d', 'vec4u(5u, no, no, no)', 'vec4u(no, no, no, no)'],
  ['max-pooling: no window told from its neighbour', 'maxpool2d', '& (u32(column) < u32(g.outputWidth));\n  let o = u32(', ';\n  let o = u32('],
  ["max-pooling: another output's switch (GPU)", 'maxpool2d', 'places8[four + 2u],', 'places8[four + 1u],'],
  ['max-pooling: a barrier lost (GPU)', 'maxpool2d', '  workgroupBarrier();\n', ''],
  ['max-pooling: the last cell of a window', 'maxpool2d', 'c7), c8)', 'c7), c7)'],
  ['LRN: a neighbour too few', 'lrn', '+ v4 * v4', ''],
  ['LRN: shares shifted', 'lrn', 'neighbourShare(i, c, -2)', 'neighbourShare(i, c, -1)'],
  ['LRN: shares without the signal', 'lrn', 'share[i] = dy[i] *', 'share[i] = dy[0] *'],
  ['LRN: window shifted', 'lrn', 'let first = max(0, c - g.below);', 'let first = max(0, c - g.below + 1);'],
  ['LRN: wrong power', 'lrn', 'let root = sqrt(s);', 'let root = s;'],
  ['batch normalisation: epsilon lost', 'batchnorm', 'variance[c] + g.epsilon', 'variance[c]'],
  ['broadcast: the wrong stride', 'binary', 'at.b += coordinate * g.strideB', 'at.b += coordinate * g.strideA'],
  ['concatenation: offset lost', 'copy', '* g.yPitch + g.yOffset', '* g.yPitch'],
  ['padding: the wrong constant', 'copy', 'select(g.value,', 'select(0.0,'],
  ['clip passes at its bounds', 'clip', 'v < g.high)', 'v <= g.high)'],
  ['dropout: the threshold itself dropped', 'dropout', 'h >= g.threshold', 'h < g.threshold'],
  ['softmax without its maximum', 'softmax', 'let m = largest(base);', 'let m = 0.0;'],
  ['cross-entropy: the neighbouring label', 'softmax', 'let hit = select(0.0, 1.0, i32(i % g.extent) == t)', 'let hit = select(0.0, 1.0, i32(i % g.extent) == t + 1)'],
  ['momentum: sign', 'momentum', 'x[i] - rate[0]', 'x[i] + rate[0]'],
  ['descent: no decay', 'momentum', 'g.normCoefficient * parameter[i] + gradient[i]', 'gradient[i]'],
  ['descent: the velocity not kept', 'momentum', 'velocity[i] = v;', 'velocity[i] = v - g.alpha * velocity[i];'],
  ['roll: the way back goes on', 'roll', 'g.direction * wrap(offsets[1]', 'wrap(offsets[1]'],
  ['roll: the remainder of what is below zero', 'roll', 'n - 1 - i32(below), i < 0', 'i32(below), i < 0'],
  ['blur: the edge itself not repeated', 'blur', 'min(at, period - 1 - at)', 'min(at, period - 2 - at)'],
  ['blur: one weight too few', 'blur', 'k <= g.radius', 'k < g.radius'],
  ['norm: the rest of an item lost', 'l2norm', 'i < g.extent;', 'i + g.parts <= g.extent;'],
  ['norm: 0 / 0', 'l2norm', 'select(x[i] / l, 0.0, l == 0.0)', 'x[i] / l'],
  ['limit: the bounds of one channel for all', 'limit', 'i / g.plane % g.channels', '0u'],
  ['limit: NaN raised', 'limit', 'select(clipped, v,', 'select(clipped, low[c],'],
  ['a race: every invocation does the same element', 'relu', 'group.y * groups.x + group.x', 'group.y * groups.x'],
  ['the end of a tensor overrun', 'relu', 'if (j <= last)', 'if (j <= last + 1u)'],
];

for (const [what, shader, find, replace] of FAULTS) {
  test(what, async () => {
    const source = readFileSync(`shaders/${shader}.wgsl`, 'utf8');
    assert.ok(source.includes(find), `shaders/${shader}.wgsl no longer holds "${find}": plant this fault anew`);
    const broken = source.replaceAll(find, replace);
    let caught = false;
    // Those that can notice come first.
    const first = ({ relus = false }: OpCase): number => Number(relus !== what.includes('with a ReLU'));
    const cases = CASES.filter(({ op, essential, descent }) => essential && (Object.hasOwn(OPS[op].shaders, shader) || (descent && shader === 'momentum')));
    for (const c of cases.sort((a, b) => first(a) - first(b))) {
      const plant = (plan: Plan): Plan => (plan.shaders[shader] ? { ...plan, shaders: { ...plan.shaders, [shader]: broken } } : plan);
      // The fault must be in the numbers: a shader that does not compile would be no test.
      const { passed } = await checkCase(gpu, c, plant, [what.endsWith('(GPU)') ? { quads: false, tiles: true } : traitsOf(gpu)]);
      caught ||= !passed;
      if (caught) break;
    }
    assert.ok(caught, 'expected the self-test to notice');
  });
}

test.after(() => gpu.dispose());
test.run();
