// Packs convolution weights for conv2d.wgsl and conv2d_tile.wgsl: taps outermost, output channels innermost and padded to whole tiles.
//
//   packed[part, t, u, c, o] = w[part*partPitch + o*outputPitch + c*inputPitch + cell]
//   cell = (firstRow + t*rowStep)*columns + firstColumn + u*columnStep
//
//   w [OC, C/groups, rows, columns]    packed [groups, kernelHeight, kernelWidth, inputs, outputsPadded]; zero where o >= outputs
//
// Forward takes every tap, with o along OC and c along C; backward-input takes every rowStep-th row and columnStep-th column of taps, with
// o along C and c along OC. Source: conv2d.ts derives the pitches.

struct Geometry {
  count: u32,
  kernelHeight: u32, kernelWidth: u32,
  inputs: u32,
  outputs: u32,
  outputsPadded: u32,
  partPitch: u32,
  outputPitch: u32,
  inputPitch: u32,
  columns: u32,
  firstRow: u32, firstColumn: u32,
  rowStep: u32, columnStep: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(64)
fn pack(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * groups.x + group.x) * 64u + local;
  if (index >= g.count) {
    return;
  }
  let o = index % g.outputsPadded;
  let c = index / g.outputsPadded % g.inputs;
  let tap = index / (g.outputsPadded * g.inputs);
  let u = tap % g.kernelWidth;
  let t = tap / g.kernelWidth % g.kernelHeight;
  let part = tap / (g.kernelWidth * g.kernelHeight);
  let cell = (g.firstRow + t * g.rowStep) * g.columns + g.firstColumn + u * g.columnStep;
  let used = o < g.outputs;
  let source = select(0u, part * g.partPitch + o * g.outputPitch + c * g.inputPitch + cell, used);
  packed[index] = select(0.0, w[source], used);
}
