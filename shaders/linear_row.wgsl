// One row times a matrix that is read along the sum, for devices with subgroups: a full layer's forward pass for a single image. linear.wgsl holds
// the equation; here b's elements are adjacent along k (bRow = 1), and depth and bColumn are multiples of 8.
//
// Every element of b is needed once, so that loads are all there is to it. An invocation computes 4 columns, one in each strip of `lanes`, and
// reads b four elements at a time; the four invocations of a quad need the same elements of a, load a quarter each and broadcast it.
// The result is the same to the bit.

enable subgroups;

struct Geometry {
  rows: u32,
  columns: u32,
  depth: u32,
  aRow: u32, aColumn: u32,
  bRow: u32, bColumn: u32,
  cRow: u32, cColumn: u32,
  alpha: f32,
  beta: f32,
  // 0: no addend, and c is bound to any tensor.
  addend: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// Products that one accumulator takes in before it is added to the total.
const SPAN = 64u;

fn put(m: u32, n: u32, sum: f32) {
  if (n < g.columns) {
    let addend = g.beta * c[select(0u, m * g.cRow + n * g.cColumn, g.addend == 1u)];
    y[m * g.columns + n] = g.alpha * sum + select(0.0, addend, g.addend == 1u);
  }
}

// Four steps of k, of four columns each: where the columns lie in b is `at`.
fn fourSteps(at: vec4u) -> mat4x4f {
  return transpose(mat4x4f(b[at.x], b[at.y], b[at.z], b[at.w]));
}

@compute @workgroup_size(16)
fn quadRow(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let lanes = (g.columns + 15u) / 16u * 4u;
  let index = (group.y * groups.x + group.x) * 16u + local;
  let m = index / lanes;
  let n = vec4u(index % lanes) + vec4u(0, 1, 2, 3) * lanes;
  // A quad stays together to its end: rows and columns past the end repeat the last one and are not stored.
  let own = min(m, g.rows - 1u) * g.aRow + (member & 3u) * g.aColumn;
  var at = min(n, vec4u(g.columns - 1u)) * (g.bColumn / 4u);
  var sums = vec4f();
  for (var start = 0u; start < g.depth; start += SPAN) {
    var t = vec4f();
    let end = min(start + SPAN, g.depth);
    for (var k = start; k < end; k += 8u) {
      let a0 = a[own + k * g.aColumn];
      let b0 = fourSteps(at);
      t = fma(vec4f(quadBroadcast(a0, 0u)), b0[0], t);
      t = fma(vec4f(quadBroadcast(a0, 1u)), b0[1], t);
      t = fma(vec4f(quadBroadcast(a0, 2u)), b0[2], t);
      t = fma(vec4f(quadBroadcast(a0, 3u)), b0[3], t);
      let a1 = a[own + (k + 4u) * g.aColumn];
      let b1 = fourSteps(at + 1u);
      t = fma(vec4f(quadBroadcast(a1, 0u)), b1[0], t);
      t = fma(vec4f(quadBroadcast(a1, 1u)), b1[1], t);
      t = fma(vec4f(quadBroadcast(a1, 2u)), b1[2], t);
      t = fma(vec4f(quadBroadcast(a1, 3u)), b1[3], t);
      at += 2u;
    }
    sums += t;
  }
  if (m >= g.rows) {
    return;
  }
  put(m, n.x, sums.x);
  put(m, n.y, sums.y);
  put(m, n.z, sums.z);
  put(m, n.w, sums.w);
}
