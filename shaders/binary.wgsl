// Sum and product of two tensors, with broadcasting, and their backward.
//
//   add, multiply            y = a + b, y = a * b, where a and b have y's shape
//   addBroadcast, multiplyBroadcast   the same where an axis of extent 1 in a or b is repeated
//   sumOver                  da[i] = sum over the repeated axes of dy
//   sumProductOver           da[i] = sum over the repeated axes of dy * other
//
// Axes are aligned from the last, as in NumPy and ONNX; up to eight of them, outermost first, padded in front with extent 1. A stride is 0
// along a repeated axis. In the sums `extent` holds the kept axes first and `reducedExtent` the repeated ones, summed in row-major order.

struct Geometry {
  count: u32,
  reducedCount: u32,
  extent: array<vec4u, 2>,
  reducedExtent: array<vec4u, 2>,
  strideA: array<vec4u, 2>,
  strideB: array<vec4u, 2>,
  reducedStrideA: array<vec4u, 2>,
  reducedStrideB: array<vec4u, 2>,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

struct Offsets {
  a: u32,
  b: u32,
}

fn offsets(index: u32) -> Offsets {
  var rest = index;
  var at = Offsets(0u, 0u);
  for (var axis = 7u; axis < 8u; axis--) {
    let coordinate = rest % g.extent[axis / 4u][axis % 4u];
    rest /= g.extent[axis / 4u][axis % 4u];
    at.a += coordinate * g.strideA[axis / 4u][axis % 4u];
    at.b += coordinate * g.strideB[axis / 4u][axis % 4u];
  }
  return at;
}

fn reducedOffsets(index: u32) -> Offsets {
  var rest = index;
  var at = Offsets(0u, 0u);
  for (var axis = 7u; axis < 8u; axis--) {
    let coordinate = rest % g.reducedExtent[axis / 4u][axis % 4u];
    rest /= g.reducedExtent[axis / 4u][axis % 4u];
    at.a += coordinate * g.reducedStrideA[axis / 4u][axis % 4u];
    at.b += coordinate * g.reducedStrideB[axis / 4u][axis % 4u];
  }
  return at;
}

@compute @workgroup_size(64)
fn add(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    y[i] = a[i] + b[i];
  }
}

@compute @workgroup_size(64)
fn multiply(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    y[i] = a[i] * b[i];
  }
}

@compute @workgroup_size(64)
fn addBroadcast(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    let at = offsets(i);
    y[i] = a[at.a] + b[at.b];
  }
}

@compute @workgroup_size(64)
fn multiplyBroadcast(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    let at = offsets(i);
    y[i] = a[at.a] * b[at.b];
  }
}

// In the sums, a is dy and b the other factor.
@compute @workgroup_size(64)
fn sumOver(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    let base = offsets(i);
    var sum = 0.0;
    for (var r = 0u; r < g.reducedCount; r++) {
      sum += a[base.a + reducedOffsets(r).a];
    }
    y[i] = sum;
  }
}

@compute @workgroup_size(64)
fn sumProductOver(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i < g.count) {
    let base = offsets(i);
    var sum = 0.0;
    for (var r = 0u; r < g.reducedCount; r++) {
      let at = reducedOffsets(r);
      sum += a[base.a + at.a] * b[base.b + at.b];
    }
    y[i] = sum;
  }
}
