// Matrix product with an addend, every operand seen through strides. A fully-connected layer, its backward to the input and to the weights.
//
//   y[m,n] = alpha * sum over k of a[m*aRow + k*aColumn] * b[k*bRow + n*bColumn]  +  beta * c[m*cRow + n*cColumn]
//
//   a [rows, depth]    b [depth, columns]    c broadcast to y by strides of 0    y [rows, columns], row-major
//
//   row       a row of 4 columns per invocation, for one row: 5 loads for 4 products
//   tile4x4   4 rows x 4 columns per invocation: 8 loads for 16 products
//
// Columns are cut into 4 strips of `lanes`, so that adjacent invocations have adjacent columns in each strip. Products are summed in
// spans of k, then span by span: less rounding error than one long sum.
// Source: ONNX's Gemm; Simonyan, Vedaldi, Zisserman 2013 need only its backward to the input.

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
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// Products that one accumulator takes in before it is added to the total.
const SPAN = 64u;

// Four elements of b's row k, one in each strip; `n` holds their offsets.
fn across(k: u32, n: vec4u) -> vec4f {
  let at = n + k * g.bRow;
  return vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
}

// Four elements of a's column k; `m` holds their offsets.
fn down(k: u32, m: vec4u) -> vec4f {
  let at = m + k * g.aColumn;
  return vec4f(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn put(m: u32, n: u32, sum: f32) {
  if (n < g.columns) {
    let addend = g.beta * c[select(0u, m * g.cRow + n * g.cColumn, g.addend == 1u)];
    y[m * g.columns + n] = g.alpha * sum + select(0.0, addend, g.addend == 1u);
  }
}

// Writes a row's part of the four strips.
fn store(m: u32, n: vec4u, sums: vec4f) {
  put(m, n.x, sums.x);
  put(m, n.y, sums.y);
  put(m, n.z, sums.z);
  put(m, n.w, sums.w);
}

@compute @workgroup_size(32)
fn row(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lanes = (g.columns + 3u) / 4u;
  let m = index / lanes;
  if (m >= g.rows) {
    return;
  }
  let n = vec4u(index % lanes) + vec4u(0, 1, 2, 3) * lanes;
  // Columns past the end repeat the last one and are not stored.
  let bs = min(n, vec4u(g.columns - 1u)) * g.bColumn;
  let as0 = m * g.aRow;
  var sums = vec4f();
  var k = 0u;
  while (k < g.depth) {
    let end = min(k + SPAN, g.depth);
    var t = vec4f();
    for (; k + 4u <= end; k += 4u) {
      let at = as0 + k * g.aColumn;
      t = fma(vec4f(a[at]), across(k, bs), t);
      t = fma(vec4f(a[at + g.aColumn]), across(k + 1u, bs), t);
      t = fma(vec4f(a[at + 2u * g.aColumn]), across(k + 2u, bs), t);
      t = fma(vec4f(a[at + 3u * g.aColumn]), across(k + 3u, bs), t);
    }
    for (; k < end; k++) {
      t = fma(vec4f(a[as0 + k * g.aColumn]), across(k, bs), t);
    }
    sums += t;
  }
  store(m, n, sums);
}

@compute @workgroup_size(32)
fn tile4x4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lanes = (g.columns + 3u) / 4u;
  let m = index / lanes * 4u;
  if (m >= g.rows) {
    return;
  }
  let n = vec4u(index % lanes) + vec4u(0, 1, 2, 3) * lanes;
  let bs = min(n, vec4u(g.columns - 1u)) * g.bColumn;
  let as4 = min(vec4u(m) + vec4u(0, 1, 2, 3), vec4u(g.rows - 1u)) * g.aRow;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var k = 0u;
  while (k < g.depth) {
    let end = min(k + SPAN, g.depth);
    var t0 = vec4f();
    var t1 = vec4f();
    var t2 = vec4f();
    var t3 = vec4f();
    for (; k < end; k++) {
      let p = down(k, as4);
      let q = across(k, bs);
      t0 = fma(vec4f(p.x), q, t0);
      t1 = fma(vec4f(p.y), q, t1);
      t2 = fma(vec4f(p.z), q, t2);
      t3 = fma(vec4f(p.w), q, t3);
    }
    s0 += t0;
    s1 += t1;
    s2 += t2;
    s3 += t3;
  }
  let sums = array<vec4f, 4>(s0, s1, s2, s3);
  for (var i = 0u; i < min(4u, g.rows - m); i++) {
    store(m + i, n, sums[i]);
  }
}
