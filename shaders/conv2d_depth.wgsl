// 2-D convolution with one input channel to a group, depthwise convolution above all: four adjacent pixels of a row per invocation.
// conv2d.wgsl holds the equation, the shapes and the conventions; here inputs = 1, and taps lie as far apart as the pixels' windows
// (|xStep| = xStride along rows), as in all convolutions of stride 1 and on the way down.
//
// From one tap to the next the four windows then move on by one place, and one number is loaded where there were four. Where taps run to the
// left, so do the pixels: the first of the four is the rightmost. The result is the same to the bit.

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

// Column v of a row of x that begins at `line`, zero outside.
fn column(line: u32, v: i32, within: bool) -> f32 {
  // As unsigned numbers negative ones are large. `&`, not `&&`: no branch.
  let inside = within & (u32(v) < u32(g.xWidth));
  return select(0.0, x[select(0u, line + u32(v), inside)], inside);
}

@compute @workgroup_size(64)
fn strip4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  // index = ((n * channels + channel) * gridHeight + i) * strips + strip
  let index = (group.y * groups.x + group.x) * 64u + local;
  let strips = (g.gridWidth + 3u) / 4u;
  let j = index % strips * 4u;
  let i = index / strips % g.gridHeight;
  let channel = index / (strips * g.gridHeight) % (g.groups * g.outputs);
  let n = index / (strips * g.gridHeight * g.groups * g.outputs);
  if (n >= g.batch) {
    return;
  }
  let part = channel / g.outputs;
  let image = (n * g.groups + part) * u32(g.xHeight * g.xWidth);
  let top = i32(i) * g.xStrideHeight + g.xOffsetHeight;
  let leftwards = g.xStepWidth < 0;
  // The column that the first of the four reads for the first tap.
  let first = i32(select(j, j + 3u, leftwards)) * g.xStrideWidth + g.xOffsetWidth;
  var row = part * g.kernelHeight * g.kernelWidth * g.outputsPadded + channel % g.outputs;
  var sum = vec4f();
  for (var t = 0u; t < g.kernelHeight; t++) {
    let h = top + i32(t) * g.xStepHeight;
    let within = u32(h) < u32(g.xHeight);
    let line = image + u32(h * g.xWidth);
    // The window before its first step: the fourth of the first tap is yet to come.
    var window = vec4f(
      0.0,
      column(line, first, within),
      column(line, first + g.xStepWidth, within),
      column(line, first + 2 * g.xStepWidth, within),
    );
    for (var u = 0u; u < g.kernelWidth; u++) {
      window = vec4f(window.yzw, column(line, first + (i32(u) + 3) * g.xStepWidth, within));
      sum += fma(window, vec4f(w[row]), vec4f());
      row += g.outputsPadded;
    }
  }
  let bias = select(0.0, b[channel], g.biased == 1u);
  let down = i * g.yStrideHeight + g.yOffsetHeight;
  let to = ((n * g.groups * g.outputs + channel) * g.yHeight + down) * g.yWidth + g.yOffsetWidth;
  let f = finishing();
  for (var p = 0u; p < min(4u, g.gridWidth - j); p++) {
    let place = to + (j + p) * g.yStrideWidth;
    y[place] = finish(sum[select(p, 3u - p, leftwards)] + bias, place, f);
  }
}
