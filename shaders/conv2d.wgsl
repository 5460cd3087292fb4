// 2-D convolution, one output element per invocation: the plain form of what conv2d_tile.wgsl does in register tiles.
//
//   y[n, o, i*yStride + yOffset, ...] = b[o] + sum over taps (t,u) and channels c of
//                                       w[t,u,c,o] * x[n, c, i*xStride + t*xStep + xOffset, j*xStride + u*xStep + xOffset]
//
//   x [N, groups*inputs, xHeight, xWidth]    y [N, groups*outputs, yHeight, yWidth]    b [groups*outputs]
//   w [groups, kernelHeight, kernelWidth, inputs, outputsPadded], packed by pack.wgsl; (i,j) runs over gridHeight x gridWidth.
//
// One kernel serves both directions, by geometry alone:
//   forward         grid = y; xStride = stride, xStep = dilation, xOffset = -pad; yStride 1, yOffset 0.
//   backward input  x is dy and y is dx, their channels exchanged. A stride s splits dx into s*s phases, rows r, r+s, r+2s, ... each. The
//                   taps that reach a phase lie s/gcd(s, dilation) apart, and from one to the next dy's row moves by -dilation/gcd: each
//                   phase is a convolution of stride 1 with its own packed share of w. One dispatch per phase; yStride = s, yOffset = r.
//                   No element is tested for zeros that a stride would insert. A phase without taps writes zeros.
//
// Conventions: x is zero outside its bounds, by selection, so that nothing out there is ever multiplied. Groups are independent.
// Each tap is summed channel by channel,
// then the taps row by row: fewer terms pass through one accumulator than in one long sum, and the rounding error is smaller.
// Source: the definition of cross-correlation as ONNX's Conv states it.

struct Geometry {
  batch: u32,
  groups: u32,
  inputs: u32,
  outputs: u32,
  outputsPadded: u32,
  gridHeight: u32, gridWidth: u32,
  xHeight: i32, xWidth: i32,
  yHeight: u32, yWidth: u32,
  kernelHeight: u32, kernelWidth: u32,
  xStrideHeight: i32, xStrideWidth: i32,
  xStepHeight: i32, xStepWidth: i32,
  xOffsetHeight: i32, xOffsetWidth: i32,
  yStrideHeight: u32, yStrideWidth: u32,
  yOffsetHeight: u32, yOffsetWidth: u32,
  biased: u32,
  // What becomes of a value as it is stored; see finishing().
  activation: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
// Any tensor where there is no bias (biased = 0).
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
// Shaped as y; any tensor where no activation asks for it.
@group(0) @binding(5) var<storage, read> gate: array<f32>;

// How a value is stored where a ReLU is computed along with this layer: the numbers that it stops, seen as bits, are `count` from `start` on; and
// whether the gate's sign counts too.
struct Finish {
  start: u32,
  count: u32,
  gated: bool,
  open: bool,
}

// The bits of `activation`: 1 values above zero pass, 2 NaN passes too, 4 what stands where gate > 0 passes, 8 where gate = 0 too. Both 1 and 4 must
// hold where both are set. So 3 is ReLU forward, and on the way down 1 is deconvnet, 4 gradient, 5 guided and 0 linear, as in relu.wgsl.
fn finishing() -> Finish {
  let signal = vec2u(0x7f800001u, 0x807fffffu);
  let forward = vec2u(0x80000000u, 0x7f800001u);
  let stopped = select(select(vec2u(), signal, (g.activation & 1u) != 0u), forward, (g.activation & 3u) == 3u);
  return Finish(stopped.x, stopped.y, (g.activation & 4u) != 0u, (g.activation & 8u) != 0u);
}

// By its bits: no compiler makes of this a maximum, which drops NaN.
fn signed(value: f32, f: Finish) -> f32 {
  return select(value, 0.0, bitcast<u32>(value) - f.start < f.count);
}

fn passed(value: f32, place: u32, f: Finish) -> f32 {
  let x = gate[place];
  return select(0.0, value, (x > 0.0) | ((x == 0.0) & f.open));
}

fn finish(value: f32, place: u32, f: Finish) -> f32 {
  let v = signed(value, f);
  if (f.gated) {
    return passed(v, place, f);
  }
  return v;
}

@compute @workgroup_size(64)
fn direct(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  // index = ((n * channels + channel) * gridHeight + i) * gridWidth + j
  let index = (group.y * groups.x + group.x) * 64u + local;
  let j = index % g.gridWidth;
  let i = index / g.gridWidth % g.gridHeight;
  let channel = index / (g.gridWidth * g.gridHeight) % (g.groups * g.outputs);
  let n = index / (g.gridWidth * g.gridHeight * g.groups * g.outputs);
  if (n >= g.batch) {
    return;
  }
  let part = channel / g.outputs;
  let plane = u32(g.xHeight * g.xWidth);
  let top = i32(i) * g.xStrideHeight + g.xOffsetHeight;
  let left = i32(j) * g.xStrideWidth + g.xOffsetWidth;
  let image = (n * g.groups + part) * g.inputs * plane;
  var row = part * g.kernelHeight * g.kernelWidth * g.inputs * g.outputsPadded + channel % g.outputs;
  var sum = 0.0;
  for (var t = 0u; t < g.kernelHeight; t++) {
    for (var u = 0u; u < g.kernelWidth; u++) {
      let h = top + i32(t) * g.xStepHeight;
      let v = left + i32(u) * g.xStepWidth;
      // As unsigned numbers negative ones are large. `&`, not `&&`: no branch.
      let inside = (u32(h) < u32(g.xHeight)) & (u32(v) < u32(g.xWidth));
      let at = select(0u, image + u32(h * g.xWidth + v), inside);
      var tap = 0.0;
      for (var c = 0u; c < g.inputs; c++) {
        tap = fma(select(0.0, x[at + c * plane], inside), w[row], tap);
        row += g.outputsPadded;
      }
      sum += tap;
    }
  }
  let down = i * g.yStrideHeight + g.yOffsetHeight;
  let across = j * g.yStrideWidth + g.yOffsetWidth;
  let to = ((n * g.groups * g.outputs + channel) * g.yHeight + down) * g.yWidth + across;
  y[to] = finish(sum + select(0.0, b[channel], g.biased == 1u), to, finishing());
}
