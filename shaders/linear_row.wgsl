// One row times a matrix, for devices with subgroups: a full layer's forward pass and its backward to the input for a single image. linear.wgsl
// holds the equation.
//
// Every element of b is needed once, so that loads are all there is to it. b is read four elements at a time; the four invocations of a quad need the
// same elements of a, load a quarter each and broadcast it. The result is the same to the bit.
//
//   quadRow      b's elements are adjacent along the sum (bRow = 1: forward); depth and bColumn are multiples of 8. An invocation computes 4 columns,
//                one in each strip of `lanes`.
//   quadAcross   they are adjacent across it (bColumn = 1: to the input); depth, bRow and columns are multiples of 4. An invocation computes two
//                vectors of 4 columns, half of the row apart.

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

@compute @workgroup_size(16)
fn quadAcross(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let vectors = g.columns / 4u;
  let lanes = (vectors + 7u) / 8u * 4u;
  let index = (group.y * groups.x + group.x) * 16u + local;
  let m = index / lanes;
  let n = index - m * lanes;
  let own = min(m, g.rows - 1u) * g.aRow + (member & 3u) * g.aColumn;
  let pitch = g.bRow / 4u;
  var at = min(vec2u(n, n + lanes), vec2u(vectors - 1u));
  var s0 = vec4f();
  var s1 = vec4f();
  for (var start = 0u; start < g.depth; start += SPAN) {
    var t0 = vec4f();
    var t1 = vec4f();
    let end = min(start + SPAN, g.depth);
    for (var k = start; k < end; k += 4u) {
      let a0 = a[own + k * g.aColumn];
      let p0 = vec4f(quadBroadcast(a0, 0u));
      t0 = fma(p0, b[at.x], t0);
      t1 = fma(p0, b[at.y], t1);
      let p1 = vec4f(quadBroadcast(a0, 1u));
      t0 = fma(p1, b[at.x + pitch], t0);
      t1 = fma(p1, b[at.y + pitch], t1);
      let p2 = vec4f(quadBroadcast(a0, 2u));
      t0 = fma(p2, b[at.x + 2u * pitch], t0);
      t1 = fma(p2, b[at.y + 2u * pitch], t1);
      let p3 = vec4f(quadBroadcast(a0, 3u));
      t0 = fma(p3, b[at.x + 3u * pitch], t0);
      t1 = fma(p3, b[at.y + 3u * pitch], t1);
      at += vec2u(4u * pitch);
    }
    s0 += t0;
    s1 += t1;
  }
  if (m >= g.rows) {
    return;
  }
  for (var j = 0u; j < 4u; j++) {
    put(m, n * 4u + j, s0[j]);
  }
  if (n + lanes < vectors) {
    for (var j = 0u; j < 4u; j++) {
      put(m, (n + lanes) * 4u + j, s1[j]);
    }
  }
}
