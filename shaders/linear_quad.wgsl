// Matrix product with an addend, in register tiles for devices with subgroups. Written by generate.mjs from linear.wgsl, which holds
// the equation, the shapes and the conventions; do not edit.
//
// An invocation computes 16 rows x 8 columns. Columns are cut into 8 strips of `lanes`; the four invocations of a quad need the same
// values of a, load a quarter each and broadcast it. The result is the same to the bit.

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
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn put(m: u32, n: u32, sum: f32) {
  if (n < g.columns) {
    let addend = g.beta * c[select(0u, m * g.cRow + n * g.cColumn, g.addend == 1u)];
    y[m * g.columns + n] = g.alpha * sum + select(0.0, addend, g.addend == 1u);
  }
}

@compute @workgroup_size(16)
fn quad16x8(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let lanes = (g.columns + 31u) / 32u * 4u;
  let index = (group.y * groups.x + group.x) * 16u + local;
  let lane = index % lanes;
  let m = index / lanes * 16u;
  let n0 = min(lane + 0u * lanes, g.columns - 1u) * g.bColumn;
  let n1 = min(lane + 1u * lanes, g.columns - 1u) * g.bColumn;
  let n2 = min(lane + 2u * lanes, g.columns - 1u) * g.bColumn;
  let n3 = min(lane + 3u * lanes, g.columns - 1u) * g.bColumn;
  let n4 = min(lane + 4u * lanes, g.columns - 1u) * g.bColumn;
  let n5 = min(lane + 5u * lanes, g.columns - 1u) * g.bColumn;
  let n6 = min(lane + 6u * lanes, g.columns - 1u) * g.bColumn;
  let n7 = min(lane + 7u * lanes, g.columns - 1u) * g.bColumn;
  let m0 = min(m + 0u + (member & 3u), g.rows - 1u) * g.aRow;
  let m1 = min(m + 4u + (member & 3u), g.rows - 1u) * g.aRow;
  let m2 = min(m + 8u + (member & 3u), g.rows - 1u) * g.aRow;
  let m3 = min(m + 12u + (member & 3u), g.rows - 1u) * g.aRow;
  var s0_0 = vec4f();
  var s0_1 = vec4f();
  var s0_2 = vec4f();
  var s0_3 = vec4f();
  var s1_0 = vec4f();
  var s1_1 = vec4f();
  var s1_2 = vec4f();
  var s1_3 = vec4f();
  var s2_0 = vec4f();
  var s2_1 = vec4f();
  var s2_2 = vec4f();
  var s2_3 = vec4f();
  var s3_0 = vec4f();
  var s3_1 = vec4f();
  var s3_2 = vec4f();
  var s3_3 = vec4f();
  var s4_0 = vec4f();
  var s4_1 = vec4f();
  var s4_2 = vec4f();
  var s4_3 = vec4f();
  var s5_0 = vec4f();
  var s5_1 = vec4f();
  var s5_2 = vec4f();
  var s5_3 = vec4f();
  var s6_0 = vec4f();
  var s6_1 = vec4f();
  var s6_2 = vec4f();
  var s6_3 = vec4f();
  var s7_0 = vec4f();
  var s7_1 = vec4f();
  var s7_2 = vec4f();
  var s7_3 = vec4f();
  let spans = (g.depth + 63u) / 64u;
  for (var span = 0u; span < spans; span++) {
    var t0_0 = vec4f();
    var t0_1 = vec4f();
    var t0_2 = vec4f();
    var t0_3 = vec4f();
    var t1_0 = vec4f();
    var t1_1 = vec4f();
    var t1_2 = vec4f();
    var t1_3 = vec4f();
    var t2_0 = vec4f();
    var t2_1 = vec4f();
    var t2_2 = vec4f();
    var t2_3 = vec4f();
    var t3_0 = vec4f();
    var t3_1 = vec4f();
    var t3_2 = vec4f();
    var t3_3 = vec4f();
    var t4_0 = vec4f();
    var t4_1 = vec4f();
    var t4_2 = vec4f();
    var t4_3 = vec4f();
    var t5_0 = vec4f();
    var t5_1 = vec4f();
    var t5_2 = vec4f();
    var t5_3 = vec4f();
    var t6_0 = vec4f();
    var t6_1 = vec4f();
    var t6_2 = vec4f();
    var t6_3 = vec4f();
    var t7_0 = vec4f();
    var t7_1 = vec4f();
    var t7_2 = vec4f();
    var t7_3 = vec4f();
    let end = min((span + 1u) * 64u, g.depth);
    for (var k = span * 64u; k < end; k++) {
      let across = k * g.bRow;
      let down = k * g.aColumn;
      let x0 = b[n0 + across];
      let x1 = b[n1 + across];
      let x2 = b[n2 + across];
      let x3 = b[n3 + across];
      let x4 = b[n4 + across];
      let x5 = b[n5 + across];
      let x6 = b[n6 + across];
      let x7 = b[n7 + across];
      let q0 = a[m0 + down];
      let q1 = a[m1 + down];
      let q2 = a[m2 + down];
      let q3 = a[m3 + down];
      let w0 = vec4f(quadBroadcast(q0, 0u), quadBroadcast(q0, 1u), quadBroadcast(q0, 2u), quadBroadcast(q0, 3u));
      let w1 = vec4f(quadBroadcast(q1, 0u), quadBroadcast(q1, 1u), quadBroadcast(q1, 2u), quadBroadcast(q1, 3u));
      let w2 = vec4f(quadBroadcast(q2, 0u), quadBroadcast(q2, 1u), quadBroadcast(q2, 2u), quadBroadcast(q2, 3u));
      let w3 = vec4f(quadBroadcast(q3, 0u), quadBroadcast(q3, 1u), quadBroadcast(q3, 2u), quadBroadcast(q3, 3u));
      t0_0 = fma(vec4f(x0), w0, t0_0);
      t0_1 = fma(vec4f(x0), w1, t0_1);
      t0_2 = fma(vec4f(x0), w2, t0_2);
      t0_3 = fma(vec4f(x0), w3, t0_3);
      t1_0 = fma(vec4f(x1), w0, t1_0);
      t1_1 = fma(vec4f(x1), w1, t1_1);
      t1_2 = fma(vec4f(x1), w2, t1_2);
      t1_3 = fma(vec4f(x1), w3, t1_3);
      t2_0 = fma(vec4f(x2), w0, t2_0);
      t2_1 = fma(vec4f(x2), w1, t2_1);
      t2_2 = fma(vec4f(x2), w2, t2_2);
      t2_3 = fma(vec4f(x2), w3, t2_3);
      t3_0 = fma(vec4f(x3), w0, t3_0);
      t3_1 = fma(vec4f(x3), w1, t3_1);
      t3_2 = fma(vec4f(x3), w2, t3_2);
      t3_3 = fma(vec4f(x3), w3, t3_3);
      t4_0 = fma(vec4f(x4), w0, t4_0);
      t4_1 = fma(vec4f(x4), w1, t4_1);
      t4_2 = fma(vec4f(x4), w2, t4_2);
      t4_3 = fma(vec4f(x4), w3, t4_3);
      t5_0 = fma(vec4f(x5), w0, t5_0);
      t5_1 = fma(vec4f(x5), w1, t5_1);
      t5_2 = fma(vec4f(x5), w2, t5_2);
      t5_3 = fma(vec4f(x5), w3, t5_3);
      t6_0 = fma(vec4f(x6), w0, t6_0);
      t6_1 = fma(vec4f(x6), w1, t6_1);
      t6_2 = fma(vec4f(x6), w2, t6_2);
      t6_3 = fma(vec4f(x6), w3, t6_3);
      t7_0 = fma(vec4f(x7), w0, t7_0);
      t7_1 = fma(vec4f(x7), w1, t7_1);
      t7_2 = fma(vec4f(x7), w2, t7_2);
      t7_3 = fma(vec4f(x7), w3, t7_3);
    }
    s0_0 += t0_0;
    s0_1 += t0_1;
    s0_2 += t0_2;
    s0_3 += t0_3;
    s1_0 += t1_0;
    s1_1 += t1_1;
    s1_2 += t1_2;
    s1_3 += t1_3;
    s2_0 += t2_0;
    s2_1 += t2_1;
    s2_2 += t2_2;
    s2_3 += t2_3;
    s3_0 += t3_0;
    s3_1 += t3_1;
    s3_2 += t3_2;
    s3_3 += t3_3;
    s4_0 += t4_0;
    s4_1 += t4_1;
    s4_2 += t4_2;
    s4_3 += t4_3;
    s5_0 += t5_0;
    s5_1 += t5_1;
    s5_2 += t5_2;
    s5_3 += t5_3;
    s6_0 += t6_0;
    s6_1 += t6_1;
    s6_2 += t6_2;
    s6_3 += t6_3;
    s7_0 += t7_0;
    s7_1 += t7_1;
    s7_2 += t7_2;
    s7_3 += t7_3;
  }
  if (m >= g.rows) {
    return;
  }
  let sums = array<array<f32, 8>, 16>(
    array<f32, 8>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x, s7_0.x),
    array<f32, 8>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y, s7_0.y),
    array<f32, 8>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z, s7_0.z),
    array<f32, 8>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w, s7_0.w),
    array<f32, 8>(s0_1.x, s1_1.x, s2_1.x, s3_1.x, s4_1.x, s5_1.x, s6_1.x, s7_1.x),
    array<f32, 8>(s0_1.y, s1_1.y, s2_1.y, s3_1.y, s4_1.y, s5_1.y, s6_1.y, s7_1.y),
    array<f32, 8>(s0_1.z, s1_1.z, s2_1.z, s3_1.z, s4_1.z, s5_1.z, s6_1.z, s7_1.z),
    array<f32, 8>(s0_1.w, s1_1.w, s2_1.w, s3_1.w, s4_1.w, s5_1.w, s6_1.w, s7_1.w),
    array<f32, 8>(s0_2.x, s1_2.x, s2_2.x, s3_2.x, s4_2.x, s5_2.x, s6_2.x, s7_2.x),
    array<f32, 8>(s0_2.y, s1_2.y, s2_2.y, s3_2.y, s4_2.y, s5_2.y, s6_2.y, s7_2.y),
    array<f32, 8>(s0_2.z, s1_2.z, s2_2.z, s3_2.z, s4_2.z, s5_2.z, s6_2.z, s7_2.z),
    array<f32, 8>(s0_2.w, s1_2.w, s2_2.w, s3_2.w, s4_2.w, s5_2.w, s6_2.w, s7_2.w),
    array<f32, 8>(s0_3.x, s1_3.x, s2_3.x, s3_3.x, s4_3.x, s5_3.x, s6_3.x, s7_3.x),
    array<f32, 8>(s0_3.y, s1_3.y, s2_3.y, s3_3.y, s4_3.y, s5_3.y, s6_3.y, s7_3.y),
    array<f32, 8>(s0_3.z, s1_3.z, s2_3.z, s3_3.z, s4_3.z, s5_3.z, s6_3.z, s7_3.z),
    array<f32, 8>(s0_3.w, s1_3.w, s2_3.w, s3_3.w, s4_3.w, s5_3.w, s6_3.w, s7_3.w),
  );
  for (var i = 0u; i < min(16u, g.rows - m); i++) {
    let row = sums[i];
    put(m + i, lane + 0u * lanes, row[0]);
    put(m + i, lane + 1u * lanes, row[1]);
    put(m + i, lane + 2u * lanes, row[2]);
    put(m + i, lane + 3u * lanes, row[3]);
    put(m + i, lane + 4u * lanes, row[4]);
    put(m + i, lane + 5u * lanes, row[5]);
    put(m + i, lane + 6u * lanes, row[6]);
    put(m + i, lane + 7u * lanes, row[7]);
  }
}
