// Vector times matrix for GPUs: linear.wgsl's product for one row. All it costs is reading the matrix, so adjacent invocations read adjacent
// elements of it, and enough of them are under way to keep the memory busy.
//
//   y[s,n] = alpha * sum over the products k of slab s of a[k*aColumn] * b[k*bRow + n*bColumn]  +  beta * c[n*cColumn], in slab 0
//
//   a [depth]    b [depth, columns]    c broadcast to y by a stride of 0    y [slabs, columns]
//
//   across   b's elements are adjacent along the sum (bRow = 1: a layer's forward pass). A workgroup makes one column: its invocations take
//            every 128th product, and their sums are added in a tree. One slab.
//   along    b's elements are adjacent across it (bColumn = 1: the backward pass to the input). An invocation makes one column of a slab of
//            `slabDepth` products; sum.wgsl adds the slabs in order.
//   outer    no sum at all: y[m,n] = alpha * a[m] * b[n] (the gradient of a layer's weights in a batch of one). An invocation makes four columns
//            of a row, 256 apart; aColumn lies between the rows of a, `depth` is their number, and there is no addend.
//   outer4   the same where b's elements are adjacent and come out in fours. An invocation makes a vector of each of four rows.
//
// Source: as linear.wgsl.

struct Geometry {
  columns: u32,
  depth: u32,
  aColumn: u32,
  bRow: u32, bColumn: u32,
  cColumn: u32,
  alpha: f32,
  beta: f32,
  // 0: no addend, and c is bound to any tensor.
  addend: u32,
  slabs: u32,
  slabDepth: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn store(slab: u32, n: u32, sum: f32) {
  let added = (g.addend == 1u) & (slab == 0u);
  let addend = g.beta * c[select(0u, n * g.cColumn, added)];
  y[slab * g.columns + n] = g.alpha * sum + select(0.0, addend, added);
}

@compute @workgroup_size(256)
fn outer(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let strips = (g.columns + 1023u) / 1024u;
  let index = group.y * groups.x + group.x;
  let m = index / strips;
  if (m >= g.depth) {
    return;
  }
  let factor = g.alpha * a[m * g.aColumn];
  let n = vec4u(index % strips * 1024u + local) + vec4u(0, 256, 512, 768);
  let at = min(n, vec4u(g.columns - 1u)) * g.bColumn;
  let products = factor * vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
  let to = n + m * g.columns;
  if (n.x < g.columns) {
    y[to.x] = products.x;
  }
  if (n.y < g.columns) {
    y[to.y] = products.y;
  }
  if (n.z < g.columns) {
    y[to.z] = products.z;
  }
  if (n.w < g.columns) {
    y[to.w] = products.w;
  }
}

@group(0) @binding(2) var<storage, read> b4: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y4: array<vec4f>;

@compute @workgroup_size(256)
fn outer4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let vectors = g.columns / 4u;
  let strips = (vectors + 255u) / 256u;
  let index = group.y * groups.x + group.x;
  let four = index / strips;
  let n = (index - four * strips) * 256u + local;
  if (n >= vectors) {
    return;
  }
  let v = g.alpha * b4[n];
  let end = min(g.depth, four * 4u + 4u);
  for (var m = four * 4u; m < end; m++) {
    y4[m * vectors + n] = a[m * g.aColumn] * v;
  }
}

var<workgroup> sums: array<f32, 128>;

@compute @workgroup_size(128)
fn across(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = group.y * groups.x + group.x;
  if (n >= g.columns) {
    return;
  }
  let column = n * g.bColumn;
  // Four sums, so that four loads are under way at a time.
  var s = vec4f();
  var k = local;
  for (; k + 384u < g.depth; k += 512u) {
    let at = vec4u(k, k + 128u, k + 256u, k + 384u);
    let p = at * g.aColumn;
    let q = column + at * g.bRow;
    s = fma(vec4f(a[p.x], a[p.y], a[p.z], a[p.w]), vec4f(b[q.x], b[q.y], b[q.z], b[q.w]), s);
  }
  for (; k < g.depth; k += 128u) {
    s.x = fma(a[k * g.aColumn], b[column + k * g.bRow], s.x);
  }
  sums[local] = (s.x + s.y) + (s.z + s.w);
  for (var half = 64u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      sums[local] += sums[local + half];
    }
  }
  if (local == 0u) {
    store(0u, n, sums[0]);
  }
}

@compute @workgroup_size(64)
fn along(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  // Slabs begin with a workgroup of their own.
  let lanes = (g.columns + 63u) / 64u * 64u;
  let index = (group.y * groups.x + group.x) * 64u + local;
  let n = index % lanes;
  let slab = index / lanes;
  if (n >= g.columns || slab >= g.slabs) {
    return;
  }
  let column = n * g.bColumn;
  let end = min((slab + 1u) * g.slabDepth, g.depth);
  var s = vec4f();
  var k = slab * g.slabDepth;
  for (; k + 3u < end; k += 4u) {
    let at = vec4u(k, k + 1u, k + 2u, k + 3u);
    let p = at * g.aColumn;
    let q = column + at * g.bRow;
    s = fma(vec4f(a[p.x], a[p.y], a[p.z], a[p.w]), vec4f(b[q.x], b[q.y], b[q.z], b[q.w]), s);
  }
  for (; k < end; k++) {
    s.x = fma(a[k * g.aColumn], b[column + k * g.bRow], s.x);
  }
  store(slab, n, (s.x + s.y) + (s.z + s.w));
}
