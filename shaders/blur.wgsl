// One axis of a Gaussian blur; two of them make the blur of an image.
//
//   y[c] = w[0] x[c] + sum over k = 1 .. radius of w[k] (x[r(c - k)] + x[r(c + k)])
//
//   x, y [outer, extent, inner], c along the middle axis   radius <= 63
//   r reflects at the edges, the edge itself repeated: ... x1 x0 | x0 x1 ... (as scipy.ndimage's mode "reflect" does)
//
// The weights are w[k] = exp(-k^2 / (2 sigma^2)), divided by the sum of all 2 radius + 1: the host computes them. Such a blur is its own transpose.

struct Geometry {
  count: u32,
  extent: i32,
  inner: i32,
  radius: u32,
  weights: array<vec4f, 16>,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// c >= -63. The remainder of a negative number is not defined everywhere (Vulkan's OpSRem): whole periods, of 2 at least, are added before.
fn reflect(c: i32) -> i32 {
  let period = 2 * g.extent;
  let at = i32(u32(c + 64 * period) % u32(period));
  return min(at, period - 1 - at);
}

@compute @workgroup_size(64)
fn along(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let at = i32(i);
  let c = at / g.inner % g.extent;
  let first = at - c * g.inner;
  var sum = g.weights[0].x * x[i];
  for (var k = 1u; k <= g.radius; k++) {
    let before = x[first + reflect(c - i32(k)) * g.inner];
    let behind = x[first + reflect(c + i32(k)) * g.inner];
    sum += g.weights[k / 4u][k % 4u] * (before + behind);
  }
  y[i] = sum;
}
