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
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
// Any tensor where there is no bias (biased = 0).
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;


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
    var window = vec4f();
    // The first three columns only fill the window.
    for (var u = 0u; u < g.kernelWidth + 3u; u++) {
      let v = first + i32(u) * g.xStepWidth;
      // As unsigned numbers negative ones are large. `&`, not `&&`: no branch.
      let inside = within & (u32(v) < u32(g.xWidth));
      window = vec4f(window.yzw, select(0.0, x[select(0u, line + u32(v), inside)], inside));
      if (u >= 3u) {
        sum += fma(window, vec4f(w[row]), vec4f());
        row += g.outputsPadded;
      }
    }
  }
  let bias = select(0.0, b[channel], g.biased == 1u);
  let down = i * g.yStrideHeight + g.yOffsetHeight;
  let to = ((n * g.groups * g.outputs + channel) * g.yHeight + down) * g.yWidth + g.yOffsetWidth;
  for (var p = 0u; p < min(4u, g.gridWidth - j); p++) {
    y[to + (j + p) * g.yStrideWidth] = sum[select(p, 3u - p, leftwards)] + bias;
  }
}
