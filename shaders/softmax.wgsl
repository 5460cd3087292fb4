// Softmax, its logarithm, and the two losses that stand on it.
//
// Along one axis of `extent` elements, `inner` apart, for each of outer*inner positions (o, i):
//   softmax        y_k = exp(x_k - m) / sum over j of exp(x_j - m),  m = max over j of x_j
//   logSoftmax     y_k = (x_k - m) - log(sum over j of exp(x_j - m))
//   softmaxBackward      dx_k = y_k * (dy_k - sum over j of dy_j * y_j)
//   logSoftmaxBackward   dx_k = dy_k - exp(y_k) * sum over j of dy_j
// A NaN makes its whole row NaN.
//
// With labels t_n in [0, K), log-probabilities p [N, K]:
//   pick                     loss_n = -p[n, t_n]
//   total                    loss = factor * sum over n of losses_n   (in order; factor 1/N gives the mean)
//   crossEntropyBackward     dscores[n,k] = factor * dloss_n * (exp(p[n,k]) - [k == t_n])
//   pickBackward             dp[n,k] = -factor * dloss_n * [k == t_n]
// with dloss_n = dloss[n * lossStride]: one for each item (stride 1) or one for all (stride 0).
// A label outside [0, K) makes its loss NaN and its gradient zero; the host refuses such labels before they get here.

struct Geometry {
  outer: u32,
  extent: u32,
  inner: u32,
  lossStride: u32,
  factor: f32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn isNan(v: f32) -> bool {
  // Compilers may assume that v == v.
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// exp and log of NaN may be numbers, as WGSL has it, and are on some devices; here they are NaN.
fn exponential(v: f32) -> f32 {
  return select(exp(v), v, isNan(v));
}

fn logarithm(v: f32) -> f32 {
  return select(log(v), v, isNan(v));
}

fn largest(base: u32) -> f32 {
  var m = x[base];
  for (var k = 1u; k < g.extent; k++) {
    m = max(m, x[base + k * g.inner]);
  }
  return m;
}

@compute @workgroup_size(64)
fn softmax(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let r = (group.y * groups.x + group.x) * 64u + local;
  if (r >= g.outer * g.inner) {
    return;
  }
  let base = (r / g.inner) * g.extent * g.inner + r % g.inner;
  let m = largest(base);
  var sum = 0.0;
  for (var k = 0u; k < g.extent; k++) {
    let e = exponential(x[base + k * g.inner] - m);
    y[base + k * g.inner] = e;
    sum += e;
  }
  for (var k = 0u; k < g.extent; k++) {
    y[base + k * g.inner] /= sum;
  }
}

@compute @workgroup_size(64)
fn logSoftmax(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let r = (group.y * groups.x + group.x) * 64u + local;
  if (r >= g.outer * g.inner) {
    return;
  }
  let base = (r / g.inner) * g.extent * g.inner + r % g.inner;
  let m = largest(base);
  var sum = 0.0;
  for (var k = 0u; k < g.extent; k++) {
    sum += exponential(x[base + k * g.inner] - m);
  }
  let logSum = logarithm(sum);
  for (var k = 0u; k < g.extent; k++) {
    y[base + k * g.inner] = (x[base + k * g.inner] - m) - logSum;
  }
}

@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn softmaxBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let r = (group.y * groups.x + group.x) * 64u + local;
  if (r >= g.outer * g.inner) {
    return;
  }
  let base = (r / g.inner) * g.extent * g.inner + r % g.inner;
  var sum = 0.0;
  for (var k = 0u; k < g.extent; k++) {
    sum += dy[base + k * g.inner] * output[base + k * g.inner];
  }
  for (var k = 0u; k < g.extent; k++) {
    dx[base + k * g.inner] = output[base + k * g.inner] * (dy[base + k * g.inner] - sum);
  }
}

@compute @workgroup_size(64)
fn logSoftmaxBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let r = (group.y * groups.x + group.x) * 64u + local;
  if (r >= g.outer * g.inner) {
    return;
  }
  let base = (r / g.inner) * g.extent * g.inner + r % g.inner;
  var sum = 0.0;
  for (var k = 0u; k < g.extent; k++) {
    sum += dy[base + k * g.inner];
  }
  for (var k = 0u; k < g.extent; k++) {
    dx[base + k * g.inner] = dy[base + k * g.inner] - exponential(output[base + k * g.inner]) * sum;
  }
}

@group(0) @binding(1) var<storage, read> logProbabilities: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64)
fn pick(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = (group.y * groups.x + group.x) * 64u + local;
  if (n >= g.outer) {
    return;
  }
  let t = labels[n];
  if (t < 0 || t >= i32(g.extent)) {
    var nan = 0x7fc00000u;
    losses[n] = bitcast<f32>(nan);
    return;
  }
  losses[n] = -logProbabilities[n * g.extent + u32(t)];
}

@group(0) @binding(1) var<storage, read> itemLosses: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(1)
fn total() {
  var sum = 0.0;
  for (var n = 0u; n < g.outer; n++) {
    sum += itemLosses[n];
  }
  loss[0] = sum * g.factor;
}

@group(0) @binding(3) var<storage, read> dloss: array<f32>;
@group(0) @binding(4) var<storage, read_write> dscores: array<f32>;

@compute @workgroup_size(64)
fn crossEntropyBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.outer * g.extent) {
    return;
  }
  let n = i / g.extent;
  let t = labels[n];
  let known = t >= 0 && t < i32(g.extent);
  let hit = select(0.0, 1.0, i32(i % g.extent) == t);
  dscores[i] = select(0.0, (dloss[n * g.lossStride] * g.factor) * (exponential(logProbabilities[i]) - hit), known);
}

@compute @workgroup_size(64)
fn pickBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.outer * g.extent) {
    return;
  }
  let n = i / g.extent;
  dscores[i] = select(0.0, -(dloss[n * g.lossStride] * g.factor), i32(i % g.extent) == labels[n]);
}
