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
// Where `count` is a multiple of four, an invocation of forward4 and backward4 takes two vectors, 256 apart: adjacent invocations have adjacent
// vectors, and all loads are under way at a time. Elsewhere it takes one element.
// Source: Simonyan, Vedaldi, Zisserman 2013, section 4; Springenberg et al. 2014 for guided; TorchRay's guided passes at zero.

override rule: u32 = 0u;
override zero: u32 = 0u;

struct Geometry {
  count: u32,
}

@group(0) @binding(0) var<uniform> geometry: Geometry;

// NaN is told by its bits, as is the sign: WGSL lets max drop a NaN, and drivers make max of a comparison and a selection.
fn positive(v: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(v);
  // From -0 to -infinity; what lies beyond is NaN.
  let negative = (bits - vec4u(0x80000000u)) <= vec4u(0x7f800000u);
  return bitcast<vec4f>(select(bits, vec4u(), negative));
}

// What the rule lets through of r, v being the gate.
fn passed(v: vec4f, r: vec4f) -> vec4f {
  var open = vec4<bool>(true);
  if (rule == 0u || rule == 2u) {
    open = (v > vec4f()) | ((v == vec4f()) & vec4<bool>(zero == 1u));
  }
  if (rule == 1u || rule == 2u) {
    open = open & (r > vec4f());
  }
  return select(vec4f(), r, open);
}

@group(0) @binding(1) var<storage, read> x4: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4f>;

@compute @workgroup_size(256)
fn forward4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 512u + local;
  let j = i + 256u;
  let last = geometry.count / 4u - 1u;
  let a = x4[min(i, last)];
  let b = x4[min(j, last)];
  if (i <= last) {
    y4[i] = positive(a);
  }
  if (j <= last) {
    y4[j] = positive(b);
  }
}

@group(0) @binding(1) var<storage, read> gate4: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx4: array<vec4f>;

@compute @workgroup_size(256)
fn backward4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 512u + local;
  let j = i + 256u;
  let last = geometry.count / 4u - 1u;
  var gateA = vec4f();
  var gateB = vec4f();
  if (rule == 0u || rule == 2u) {
    gateA = gate4[min(i, last)];
    gateB = gate4[min(j, last)];
  }
  let a = dy4[min(i, last)];
  let b = dy4[min(j, last)];
  if (i <= last) {
    dx4[i] = passed(gateA, a);
  }
  if (j <= last) {
    dx4[j] = passed(gateB, b);
  }
}

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i < geometry.count) {
    y[i] = positive(vec4f(x[i])).x;
  }
}

@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i < geometry.count) {
    dx[i] = passed(vec4f(gate[i]), vec4f(dy[i])).x;
  }
}
