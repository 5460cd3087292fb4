// Batch normalisation at inference: statistics are given, not computed.
//
//   forward          y = scale[c] * (x - mean[c]) / sqrt(variance[c] + epsilon) + bias[c]
//   backwardInput    dx = dy * scale[c] / sqrt(variance[c] + epsilon)
//   backwardScale    dscale[c] = sum over n, i of dy * (x - mean[c]) / sqrt(variance[c] + epsilon)
//   backwardBias     dbias[c] = sum over n, i of dy
//
//   x, y, dy, dx [N, C, extent]    scale, bias, mean, variance, dscale, dbias [C]
//
// Sums run in a fixed order: n, then i. Source: Ioffe & Szegedy 2015.

struct Geometry {
  batch: u32,
  channels: u32,
  extent: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.batch * g.channels * g.extent) {
    return;
  }
  let c = (i / g.extent) % g.channels;
  y[i] = scale[c] * ((x[i] - mean[c]) / sqrt(variance[c] + g.epsilon)) + bias[c];
}

@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dscale: array<f32>;
@group(0) @binding(6) var<storage, read_write> dbias: array<f32>;

@compute @workgroup_size(64)
fn backwardInput(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.batch * g.channels * g.extent) {
    return;
  }
  let c = (i / g.extent) % g.channels;
  dx[i] = dy[i] * (scale[c] / sqrt(variance[c] + g.epsilon));
}

@compute @workgroup_size(64)
fn backwardScale(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = (group.y * groups.x + group.x) * 64u + local;
  if (c >= g.channels) {
    return;
  }
  var sum = 0.0;
  for (var n = 0u; n < g.batch; n++) {
    for (var i = 0u; i < g.extent; i++) {
      let at = (n * g.channels + c) * g.extent + i;
      sum += dy[at] * (x[at] - mean[c]);
    }
  }
  dscale[c] = sum / sqrt(variance[c] + g.epsilon);
}

@compute @workgroup_size(64)
fn backwardBias(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = (group.y * groups.x + group.x) * 64u + local;
  if (c >= g.channels) {
    return;
  }
  var sum = 0.0;
  for (var n = 0u; n < g.batch; n++) {
    for (var i = 0u; i < g.extent; i++) {
      sum += dy[(n * g.channels + c) * g.extent + i];
    }
  }
  dbias[c] = sum;
}
