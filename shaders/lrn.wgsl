// Local response normalisation across channels.
//
//   forward    scale[n,c,i] = bias + alpha/size * sum over c' in window(c) of x[n,c',i]^2
//              y = x * scale^-beta
//   backward   dx[n,c,i] = dy * scale^-beta - 2*alpha*beta/size * x[n,c,i] * sum over c' with c in window(c') of dy*y/scale at c'
//
//   all tensors [N, C, extent], extent = H*W; window(c) = [c - below, c + above] cut to the channels,
//   below = floor((size-1)/2), above = ceil((size-1)/2)
//
// scale^-beta is taken through square roots where beta is a multiple of a quarter (`quarters` = 4*beta, else 0): exact to a few ulp, as pow is not.
// Source: Krizhevsky et al. 2012, section 3.3; alpha is divided by the window's size, as in Caffe and ONNX.

// 5: windows of five channels, written out: GPUs have all their loads under way at once, software is spared the loop's masks; 0: any window.
override size: u32 = 0u;

struct Geometry {
  batch: u32,
  channels: i32,
  extent: u32,
  below: i32,
  above: i32,
  alphaOverSize: f32,
  beta: f32,
  bias: f32,
  quarters: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn isNan(v: f32) -> bool {
  // Compilers may assume that v == v.
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// s^beta; NaN of NaN, of which pow may make a number.
fn power(s: f32) -> f32 {
  if (g.quarters == 0u) {
    return select(pow(s, g.beta), s, isNan(s));
  }
  let root = sqrt(s);
  var p = 1.0;
  if ((g.quarters & 1u) != 0u) {
    p *= sqrt(root);
  }
  if ((g.quarters & 2u) != 0u) {
    p *= root;
  }
  for (var whole = g.quarters / 4u; whole > 0u; whole--) {
    p *= s;
  }
  return p;
}

// x so many channels on; 0 where there is none.
fn neighbour(i: u32, c: i32, by: i32) -> f32 {
  let there = u32(c + by) < u32(g.channels);
  return select(0.0, x[select(i, u32(i32(i) + by * i32(g.extent)), there)], there);
}

@compute @workgroup_size(128)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 128u + local;
  if (i >= g.batch * u32(g.channels) * g.extent) {
    return;
  }
  let c = i32((i / g.extent) % u32(g.channels));
  let first = max(0, c - g.below);
  let last = min(g.channels - 1, c + g.above);
  var sum = 0.0;
  if (size == 5u) {
    let v0 = neighbour(i, c, -2);
    let v1 = neighbour(i, c, -1);
    let v2 = x[i];
    let v3 = neighbour(i, c, 1);
    let v4 = neighbour(i, c, 2);
    sum = v0 * v0 + v1 * v1 + v2 * v2 + v3 * v3 + v4 * v4;
  } else {
    var at = i - u32(c - first) * g.extent;
    for (var other = first; other <= last; other++) {
      let v = x[at];
      sum += v * v;
      at += g.extent;
    }
  }
  let s = g.bias + g.alphaOverSize * sum;
  scale[i] = s;
  y[i] = x[i] / power(s);
}

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> savedScale: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> share: array<f32>;

// share = dy * y / scale, which every channel within the window takes a part of. y is taken from x and scale: one tensor less to keep.
@compute @workgroup_size(128)
fn shares(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 128u + local;
  if (i >= g.batch * u32(g.channels) * g.extent) {
    return;
  }
  let s = savedScale[i];
  share[i] = dy[i] * (input[i] / power(s)) / s;
}

@group(0) @binding(4) var<storage, read> allShares: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

// A share so many channels on; 0 where there is none.
fn neighbourShare(i: u32, c: i32, by: i32) -> f32 {
  let there = u32(c + by) < u32(g.channels);
  return select(0.0, allShares[select(i, u32(i32(i) + by * i32(g.extent)), there)], there);
}

@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 128u + local;
  if (i >= g.batch * u32(g.channels) * g.extent) {
    return;
  }
  let c = i32((i / g.extent) % u32(g.channels));
  // c lies in window(c') exactly for c' in [c - above, c + below].
  let first = max(0, c - g.above);
  let last = min(g.channels - 1, c + g.below);
  var sum = 0.0;
  if (size == 5u) {
    let s0 = neighbourShare(i, c, -2);
    let s1 = neighbourShare(i, c, -1);
    let s3 = neighbourShare(i, c, 1);
    let s4 = neighbourShare(i, c, 2);
    sum = s0 + s1 + allShares[i] + s3 + s4;
  } else {
    var at = i - u32(c - first) * g.extent;
    for (var other = first; other <= last; other++) {
      sum += allShares[at];
      at += g.extent;
    }
  }
  dx[i] = dy[i] / power(savedScale[i]) - 2.0 * g.alphaOverSize * g.beta * input[i] * sum;
}
