// Moves blocks of elements: concatenation, its backward, padding with a constant, and cropping, which is padding's backward.
//
//   blocks   y[o*yPitch + yOffset + i] = x[o*xPitch + xOffset + i]   for o < count / block, i < block
//   pad      y[i] = x at i's coordinates less `before`, or `value` where that lies outside x
//   crop     dx[i] = dy at i's coordinates plus `before`
//
// `pad` and `crop` take up to eight axes, outermost first, padded in front with extent 1.

struct Geometry {
  count: u32,
  block: u32,
  xPitch: u32,
  xOffset: u32,
  yPitch: u32,
  yOffset: u32,
  value: f32,
  yExtent: array<vec4i, 2>,
  xExtent: array<vec4i, 2>,
  before: array<vec4i, 2>,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// Four elements to an invocation, 256 apart, so that four loads are under way at a time.
@compute @workgroup_size(256)
fn blocks(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = vec4u((group.y * groups.x + group.x) * 1024u + local) + vec4u(0, 256, 512, 768);
  let place = min(i, vec4u(g.count - 1u));
  let outer = place / g.block;
  let inner = place - outer * g.block;
  let at = outer * g.xPitch + g.xOffset + inner;
  let to = outer * g.yPitch + g.yOffset + inner;
  let v = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
  if (i.x < g.count) {
    y[to.x] = v.x;
  }
  if (i.y < g.count) {
    y[to.y] = v.y;
  }
  if (i.z < g.count) {
    y[to.z] = v.z;
  }
  if (i.w < g.count) {
    y[to.w] = v.w;
  }
}

@compute @workgroup_size(64)
fn pad(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  var rest = i32(i);
  var at = 0;
  var stride = 1;
  var inside = true;
  for (var axis = 7u; axis < 8u; axis--) {
    let extent = g.xExtent[axis / 4u][axis % 4u];
    let coordinate = rest % g.yExtent[axis / 4u][axis % 4u] - g.before[axis / 4u][axis % 4u];
    rest /= g.yExtent[axis / 4u][axis % 4u];
    inside = inside && coordinate >= 0 && coordinate < extent;
    at += coordinate * stride;
    stride *= extent;
  }
  y[i] = select(g.value, x[select(0, at, inside)], inside);
}

// Here x is dy, the larger tensor, and y is dx.
@compute @workgroup_size(64)
fn crop(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  var rest = i32(i);
  var at = 0;
  var stride = 1;
  for (var axis = 7u; axis < 8u; axis--) {
    let coordinate = rest % g.yExtent[axis / 4u][axis % 4u];
    rest /= g.yExtent[axis / 4u][axis % 4u];
    at += (coordinate + g.before[axis / 4u][axis % 4u]) * stride;
    stride *= g.xExtent[axis / 4u][axis % 4u];
  }
  y[i] = x[at];
}
