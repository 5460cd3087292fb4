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
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
  y[i] = g.scale * total;
}
