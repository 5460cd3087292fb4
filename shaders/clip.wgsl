// Clipping to [low, high].
//
//   forward    y = low if x < low, high if x > high, else x; NaN stays NaN
//   backward   dx = dy where low < x < high, else 0 (the derivative at the corners is 0, as ReLU's)
//
// An absent bound is an infinity, which WGSL's uniforms may hold but its comparisons need not honour: hasLow and hasHigh say what counts.

struct Geometry {
  count: u32,
  low: f32,
  high: f32,
  hasLow: u32,
  hasHigh: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let v = x[i];
  let raised = select(v, g.low, g.hasLow == 1u && v < g.low);
  let clipped = select(raised, g.high, g.hasHigh == 1u && raised > g.high);
  // NaN is told by its bits: drivers make min and max of comparisons and selections, and those drop it.
  y[i] = select(clipped, v, (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u);
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let v = x[i];
  let inside = (g.hasLow == 0u || v > g.low) && (g.hasHigh == 0u || v < g.high);
  dx[i] = select(0.0, dy[i], inside);
}
