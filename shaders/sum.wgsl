// Ordered sums over two axes of a strided tensor: bias gradients, split sums, the adjoint of a broadcast.
//
//   y[i] = scale * sum over p < outer, then q < inner, of x[i*pitch + p*outerPitch + q*innerPitch]
//
//   y [count]; x any tensor that the pitches stay within.
//
// Source: the definition. The order is fixed, so the same input gives the same bits.

struct Geometry {
  count: u32,
  pitch: u32,
  outer: u32, outerPitch: u32,
  inner: u32, innerPitch: u32,
  scale: f32,
  // What becomes of a sum as it is stored; see finish().
  activation: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// Shaped as y; any tensor where no activation asks for it.
@group(0) @binding(3) var<storage, read> gate: array<f32>;

// As in conv2d.wgsl, whose split sums these are.
fn finish(value: f32, place: u32) -> f32 {
  let nan = (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
  var passes = (value > 0.0) | (nan & ((g.activation & 2u) != 0u)) | ((g.activation & 1u) == 0u);
  if ((g.activation & 4u) != 0u) {
    let x = gate[place];
    passes &= (x > 0.0) | ((x == 0.0) & ((g.activation & 8u) != 0u));
  }
  return select(0.0, value, passes);
}

@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  var total = 0.0;
  for (var p = 0u; p < g.outer; p++) {
    for (var q = 0u; q < g.inner; q++) {
      total += x[i * g.pitch + p * g.outerPitch + q * g.innerPitch];
    }
  }
  y[i] = finish(g.scale * total, i);
}
