// Circular shift of images by a number of rows and columns that arrives with the run.
//
//   y[p, i, j] = x[p, (i - direction * offsets[0]) mod height, (j - direction * offsets[1]) mod width]
//
//   x, y [planes, height, width]   planes = N*C   offsets [2], of either sign   direction 1, or -1 for the way back
//
// It moves elements and computes nothing: a shift and its way back give the same bits.

struct Geometry {
  count: u32,
  height: i32,
  width: i32,
  direction: i32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> offsets: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// The remainder that lies in [0, n). Without remainders of negative numbers, which are not defined everywhere (Vulkan's OpSRem):
// -1 - i counts how far i lies below -1.
fn wrap(i: i32, n: i32) -> i32 {
  let below = u32(select(i, -1 - i, i < 0)) % u32(n);
  return select(i32(below), n - 1 - i32(below), i < 0);
}

@compute @workgroup_size(64)
fn roll(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let at = i32(i);
  let plane = at / (g.height * g.width);
  // Offsets are brought into range first: their difference from a coordinate must not overflow.
  let row = wrap(at / g.width % g.height - g.direction * wrap(offsets[0], g.height), g.height);
  let column = wrap(at % g.width - g.direction * wrap(offsets[1], g.width), g.width);
  y[i] = x[(plane * g.height + row) * g.width + column];
}
