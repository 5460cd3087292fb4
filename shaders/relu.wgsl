// ReLU, and its backward under a rule.
//
//   forward    y = max(x, 0); NaN stays NaN
//   backward   dx = dy where the rule's sign indicator holds, else 0
//                rule 0 gradient   [x > 0]            (ReLU'(0) = 0)
//                rule 1 deconvnet  [dy > 0]
//                rule 2 guided     [x > 0] [dy > 0]
//                rule 3 linear     1
//              with zero = 1, [x >= 0] stands for [x > 0]
//
// All tensors share one shape of `count` elements. `gate` is y, since y > 0 exactly where x > 0; with zero = 1 it is x itself.
// Source: Simonyan, Vedaldi, Zisserman 2013, section 4; Springenberg et al. 2014 for guided; TorchRay's guided passes at zero.

override rule: u32 = 0u;
override zero: u32 = 0u;

struct Geometry {
  count: u32,
}

@group(0) @binding(0) var<uniform> geometry: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= geometry.count) {
    return;
  }
  let v = x[i];
  // NaN is told by its bits: WGSL lets max drop a NaN, and drivers make max of a comparison and a selection.
  let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
  y[i] = select(select(v, 0.0, v <= 0.0), v, nan);
}

@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= geometry.count) {
    return;
  }
  let r = dy[i];
  let fromInput = gate[i] > 0.0 || (zero == 1u && gate[i] == 0.0);
  let fromSignal = r > 0.0;
  var open = true;
  if (rule == 0u) {
    open = fromInput;
  } else if (rule == 1u) {
    open = fromSignal;
  } else if (rule == 2u) {
    open = fromInput && fromSignal;
  }
  dx[i] = select(0.0, r, open);
}
