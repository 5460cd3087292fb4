// One step of stochastic gradient descent with momentum.
//
//   g' = normCoefficient * x + g
//   v' = alpha * v + (beta if count > 0 else 1) * g'
//   standard   x' = x - rate * v'
//   nesterov   x' = x - rate * (g' + alpha * v')
//
//   update     to new tensors
//   descend    in place, standard, beta 1: training's own step, where a network's weights need not exist twice
//
// rate and count are scalars; all else has `count` elements. Source: ONNX, ai.onnx.preview.training.Momentum.

struct Geometry {
  count: u32,
  alpha: f32,
  beta: f32,
  normCoefficient: f32,
  nesterov: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> rate: array<f32>;
@group(0) @binding(2) var<storage, read> iteration: array<i32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read> v: array<f32>;
@group(0) @binding(6) var<storage, read_write> xNew: array<f32>;
@group(0) @binding(7) var<storage, read_write> vNew: array<f32>;

@compute @workgroup_size(64)
fn update(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let regularised = g.normCoefficient * x[i] + gradient[i];
  let velocity = g.alpha * v[i] + select(1.0, g.beta, iteration[0] > 0) * regularised;
  vNew[i] = velocity;
  xNew[i] = x[i] - rate[0] * select(velocity, regularised + g.alpha * velocity, g.nesterov == 1u);
}

@group(0) @binding(5) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(6) var<storage, read_write> parameter: array<f32>;

@compute @workgroup_size(64)
fn descend(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let v = g.alpha * velocity[i] + (g.normCoefficient * parameter[i] + gradient[i]);
  velocity[i] = v;
  parameter[i] -= rate[0] * v;
}
