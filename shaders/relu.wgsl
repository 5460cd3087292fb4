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
// An invocation takes four elements, 256 apart: adjacent invocations have adjacent elements, and four loads of each are under way at a time.
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

// Elements of an invocation.
fn places(group: vec3u, groups: vec3u, local: u32) -> vec4u {
  return vec4u((group.y * groups.x + group.x) * 1024u + local) + vec4u(0, 256, 512, 768);
}

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = places(group, groups, local);
  let at = min(i, vec4u(geometry.count - 1u));
  let v = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
  // NaN is told by its bits: WGSL lets max drop a NaN, and drivers make max of a comparison and a selection.
  let nan = (bitcast<vec4u>(v) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
  let r = select(select(v, vec4f(), v <= vec4f()), v, nan);
  if (i.x < geometry.count) {
    y[i.x] = r.x;
  }
  if (i.y < geometry.count) {
    y[i.y] = r.y;
  }
  if (i.z < geometry.count) {
    y[i.z] = r.z;
  }
  if (i.w < geometry.count) {
    y[i.w] = r.w;
  }
}

@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = places(group, groups, local);
  let at = min(i, vec4u(geometry.count - 1u));
  let r = vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  var open = vec4<bool>(true);
  if (rule == 0u || rule == 2u) {
    let v = vec4f(gate[at.x], gate[at.y], gate[at.z], gate[at.w]);
    open = (v > vec4f()) | ((v == vec4f()) & vec4<bool>(zero == 1u));
  }
  if (rule == 1u || rule == 2u) {
    open = open & (r > vec4f());
  }
  let passed = select(vec4f(), r, open);
  if (i.x < geometry.count) {
    dx[i.x] = passed.x;
  }
  if (i.y < geometry.count) {
    dx[i.y] = passed.y;
  }
  if (i.z < geometry.count) {
    dx[i.z] = passed.z;
  }
  if (i.w < geometry.count) {
    dx[i.w] = passed.w;
  }
}
