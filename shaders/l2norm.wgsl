// The Euclidean norm of each item of a batch, and each item divided by its own.
//
//   squares   partial[n, p] = sum over i = p, p + parts, ... < extent of x[n, i]^2
//   roots     norm[n] = sqrt(sum over p of partial[n, p])
//   divide    y[n, i] = x[n, i] / norm[n], or 0 where norm[n] = 0
//
//   x, y [items, extent]   partial [items, parts]   norm [items]
//
// Sums run in a fixed order that depends on the extent alone: the same input gives the same bits, and an item the same in any batch.

struct Geometry {
  items: u32,
  extent: u32,
  parts: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn squares(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64u + local;
  if (at >= g.items * g.parts) {
    return;
  }
  let n = at / g.parts;
  var sum = 0.0;
  for (var i = at % g.parts; i < g.extent; i += g.parts) {
    let v = x[n * g.extent + i];
    sum += v * v;
  }
  partial[at] = sum;
}

@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(64)
fn roots(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = (group.y * groups.x + group.x) * 64u + local;
  if (n >= g.items) {
    return;
  }
  var sum = 0.0;
  for (var p = 0u; p < g.parts; p++) {
    sum += partials[n * g.parts + p];
  }
  norm[n] = sqrt(sum);
}

@group(0) @binding(2) var<storage, read> length: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn divide(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.items * g.extent) {
    return;
  }
  let l = length[i / g.extent];
  y[i] = select(x[i] / l, 0.0, l == 0.0);
}
