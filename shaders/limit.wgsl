// Clipping with bounds of each channel's own, or of each element's (channels of one element each): pixels kept to what can be shown.
//
//   y[n, c, i] = low[c] if x < low[c], high[c] if x > high[c], else x; NaN stays NaN
//
//   x, y [N, channels, plane]   low, high [channels]

struct Geometry {
  count: u32,
  channels: u32,
  plane: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> low: array<f32>;
@group(0) @binding(3) var<storage, read> high: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn limit(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let c = i / g.plane % g.channels;
  let v = x[i];
  let raised = select(v, low[c], v < low[c]);
  let clipped = select(raised, high[c], raised > high[c]);
  // NaN is told by its bits: drivers make min and max of comparisons and selections, and those drop it.
  y[i] = select(clipped, v, (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u);
}
