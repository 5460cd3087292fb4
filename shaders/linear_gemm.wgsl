// Matrix product with an addend for GPUs, in workgroup memory. Written by
// generateGemm.mjs from linear.wgsl, which holds the equation, the shapes and the conventions; do not edit.
//
// Where there are too few tiles to fill a GPU, the sum is split into `slabs` of `slabDepth` products, each with a y of its own, and sum.wgsl adds
// them in order; the addend goes to the first.

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
  slabs: u32,
  slabDepth: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn store(slab: u32, m: u32, n: u32, sum: f32) {
  if (n < g.columns) {
    let added = (g.addend == 1u) & (slab == 0u);
    let addend = g.beta * c[select(0u, m * g.cRow + n * g.cColumn, added)];
    y[(slab * g.rows + m) * g.columns + n] = g.alpha * sum + select(0.0, addend, added);
  }
}

// 64 rows x 64 columns to a workgroup, 8 x 4 to an invocation.
var<workgroup> aTilegemm64x64: array<vec4f, 272>;
var<workgroup> bTilegemm64x64: array<vec4f, 272>;

@compute @workgroup_size(128)
fn gemm64x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (g.columns + 63u) / 64u;
  let rowTiles = (g.rows + 63u) / 64u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let slab = index / (rowTiles * columnTiles);
  if (slab >= g.slabs) {
    return;
  }
  let aNear = g.aColumn == 1u;
  let aSlice = select(local / 16u, local % 16u, aNear);
  let aLine = select(local % 16u, local / 16u, aNear);
  let aSliceStep = select(8u, 0u, aNear);
  let aLineStep = select(0u, 8u, aNear);
  let bNear = g.bRow == 1u;
  let bSlice = select(local / 16u, local % 16u, bNear);
  let bLine = select(local % 16u, local / 16u, bNear);
  let bSliceStep = select(8u, 0u, bNear);
  let bLineStep = select(0u, 8u, bNear);
  // What is past the end repeats the last of its kind and is not stored.
  let row0 = min(vec4u(rowTile * 64u + aLine + 0u * aLineStep) + vec4u(0, 16, 32, 48), vec4u(g.rows - 1u)) * g.aRow;
  let row1 = min(vec4u(rowTile * 64u + aLine + 1u * aLineStep) + vec4u(0, 16, 32, 48), vec4u(g.rows - 1u)) * g.aRow;
  let column0 = min(vec4u(columnTile * 64u + bLine + 0u * bLineStep) + vec4u(0, 16, 32, 48), vec4u(g.columns - 1u)) * g.bColumn;
  let column1 = min(vec4u(columnTile * 64u + bLine + 1u * bLineStep) + vec4u(0, 16, 32, 48), vec4u(g.columns - 1u)) * g.bColumn;
  var s0_0 = vec4f();
  var t0_0 = vec4f();
  var s1_0 = vec4f();
  var t1_0 = vec4f();
  var s2_0 = vec4f();
  var t2_0 = vec4f();
  var s3_0 = vec4f();
  var t3_0 = vec4f();
  var s4_0 = vec4f();
  var t4_0 = vec4f();
  var s5_0 = vec4f();
  var t5_0 = vec4f();
  var s6_0 = vec4f();
  var t6_0 = vec4f();
  var s7_0 = vec4f();
  var t7_0 = vec4f();
  let down = local / 16u;
  let across = local % 16u;
  var start = slab * g.slabDepth;
  let end = min(start + g.slabDepth, g.depth);
  var as0 = vec4f();
  var as1 = vec4f();
  var bs0 = vec4f();
  var bs1 = vec4f();
    {
      let k = start + aSlice + 0u * aSliceStep;
      let at = select(vec4u(), row0 + k * g.aColumn, k < end);
      as0 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
    }
    {
      let k = start + aSlice + 1u * aSliceStep;
      let at = select(vec4u(), row1 + k * g.aColumn, k < end);
      as1 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
    }
    {
      let k = start + bSlice + 0u * bSliceStep;
      let at = select(vec4u(), column0 + k * g.bRow, k < end);
      bs0 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
    }
    {
      let k = start + bSlice + 1u * bSliceStep;
      let at = select(vec4u(), column1 + k * g.bRow, k < end);
      bs1 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
    }
  while (start < end) {
    workgroupBarrier();
    aTilegemm64x64[(aSlice + 0u * aSliceStep) * 17u + aLine + 0u * aLineStep] = as0;
    aTilegemm64x64[(aSlice + 1u * aSliceStep) * 17u + aLine + 1u * aLineStep] = as1;
    bTilegemm64x64[(bSlice + 0u * bSliceStep) * 17u + bLine + 0u * bLineStep] = bs0;
    bTilegemm64x64[(bSlice + 1u * bSliceStep) * 17u + bLine + 1u * bLineStep] = bs1;
    workgroupBarrier();
    start += 16u;
    if (start < end) {
      {
        let k = start + aSlice + 0u * aSliceStep;
        let at = select(vec4u(), row0 + k * g.aColumn, k < end);
        as0 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
      }
      {
        let k = start + aSlice + 1u * aSliceStep;
        let at = select(vec4u(), row1 + k * g.aColumn, k < end);
        as1 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
      }
      {
        let k = start + bSlice + 0u * bSliceStep;
        let at = select(vec4u(), column0 + k * g.bRow, k < end);
        bs0 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
      }
      {
        let k = start + bSlice + 1u * bSliceStep;
        let at = select(vec4u(), column1 + k * g.bRow, k < end);
        bs1 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTilegemm64x64[k * 17u + down + 0u];
      let a1 = aTilegemm64x64[k * 17u + down + 8u];
      let b0 = bTilegemm64x64[k * 17u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
    }
    if (start % 64u == 0u) {
      s0_0 += t0_0;
      t0_0 = vec4f();
      s1_0 += t1_0;
      t1_0 = vec4f();
      s2_0 += t2_0;
      t2_0 = vec4f();
      s3_0 += t3_0;
      t3_0 = vec4f();
      s4_0 += t4_0;
      t4_0 = vec4f();
      s5_0 += t5_0;
      t5_0 = vec4f();
      s6_0 += t6_0;
      t6_0 = vec4f();
      s7_0 += t7_0;
      t7_0 = vec4f();
    }
  }
  s0_0 += t0_0;
  s1_0 += t1_0;
  s2_0 += t2_0;
  s3_0 += t3_0;
  s4_0 += t4_0;
  s5_0 += t5_0;
  s6_0 += t6_0;
  s7_0 += t7_0;
  {
    let m = rowTile * 64u + 0u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s0_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s0_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s0_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s0_0.w);
    }
  }
  {
    let m = rowTile * 64u + 16u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s1_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s1_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s1_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s1_0.w);
    }
  }
  {
    let m = rowTile * 64u + 32u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s2_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s2_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s2_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s2_0.w);
    }
  }
  {
    let m = rowTile * 64u + 48u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s3_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s3_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s3_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s3_0.w);
    }
  }
  {
    let m = rowTile * 64u + 8u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s4_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s4_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s4_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s4_0.w);
    }
  }
  {
    let m = rowTile * 64u + 24u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s5_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s5_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s5_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s5_0.w);
    }
  }
  {
    let m = rowTile * 64u + 40u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s6_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s6_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s6_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s6_0.w);
    }
  }
  {
    let m = rowTile * 64u + 56u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s7_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s7_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s7_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s7_0.w);
    }
  }
}

// 32 rows x 64 columns to a workgroup, 4 x 4 to an invocation.
var<workgroup> aTilegemm32x64: array<vec4f, 144>;
var<workgroup> bTilegemm32x64: array<vec4f, 272>;

@compute @workgroup_size(128)
fn gemm32x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (g.columns + 63u) / 64u;
  let rowTiles = (g.rows + 31u) / 32u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let slab = index / (rowTiles * columnTiles);
  if (slab >= g.slabs) {
    return;
  }
  let aNear = g.aColumn == 1u;
  let aSlice = select(local / 8u, local % 16u, aNear);
  let aLine = select(local % 8u, local / 16u, aNear);
  let aSliceStep = select(16u, 0u, aNear);
  let aLineStep = select(0u, 8u, aNear);
  let bNear = g.bRow == 1u;
  let bSlice = select(local / 16u, local % 16u, bNear);
  let bLine = select(local % 16u, local / 16u, bNear);
  let bSliceStep = select(8u, 0u, bNear);
  let bLineStep = select(0u, 8u, bNear);
  // What is past the end repeats the last of its kind and is not stored.
  let row0 = min(vec4u(rowTile * 32u + aLine + 0u * aLineStep) + vec4u(0, 8, 16, 24), vec4u(g.rows - 1u)) * g.aRow;
  let column0 = min(vec4u(columnTile * 64u + bLine + 0u * bLineStep) + vec4u(0, 16, 32, 48), vec4u(g.columns - 1u)) * g.bColumn;
  let column1 = min(vec4u(columnTile * 64u + bLine + 1u * bLineStep) + vec4u(0, 16, 32, 48), vec4u(g.columns - 1u)) * g.bColumn;
  var s0_0 = vec4f();
  var t0_0 = vec4f();
  var s1_0 = vec4f();
  var t1_0 = vec4f();
  var s2_0 = vec4f();
  var t2_0 = vec4f();
  var s3_0 = vec4f();
  var t3_0 = vec4f();
  let down = local / 16u;
  let across = local % 16u;
  var start = slab * g.slabDepth;
  let end = min(start + g.slabDepth, g.depth);
  var as0 = vec4f();
  var bs0 = vec4f();
  var bs1 = vec4f();
    {
      let k = start + aSlice + 0u * aSliceStep;
      let at = select(vec4u(), row0 + k * g.aColumn, k < end);
      as0 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
    }
    {
      let k = start + bSlice + 0u * bSliceStep;
      let at = select(vec4u(), column0 + k * g.bRow, k < end);
      bs0 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
    }
    {
      let k = start + bSlice + 1u * bSliceStep;
      let at = select(vec4u(), column1 + k * g.bRow, k < end);
      bs1 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
    }
  while (start < end) {
    workgroupBarrier();
    aTilegemm32x64[(aSlice + 0u * aSliceStep) * 9u + aLine + 0u * aLineStep] = as0;
    bTilegemm32x64[(bSlice + 0u * bSliceStep) * 17u + bLine + 0u * bLineStep] = bs0;
    bTilegemm32x64[(bSlice + 1u * bSliceStep) * 17u + bLine + 1u * bLineStep] = bs1;
    workgroupBarrier();
    start += 16u;
    if (start < end) {
      {
        let k = start + aSlice + 0u * aSliceStep;
        let at = select(vec4u(), row0 + k * g.aColumn, k < end);
        as0 = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
      }
      {
        let k = start + bSlice + 0u * bSliceStep;
        let at = select(vec4u(), column0 + k * g.bRow, k < end);
        bs0 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
      }
      {
        let k = start + bSlice + 1u * bSliceStep;
        let at = select(vec4u(), column1 + k * g.bRow, k < end);
        bs1 = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTilegemm32x64[k * 9u + down + 0u];
      let b0 = bTilegemm32x64[k * 17u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
    }
    if (start % 64u == 0u) {
      s0_0 += t0_0;
      t0_0 = vec4f();
      s1_0 += t1_0;
      t1_0 = vec4f();
      s2_0 += t2_0;
      t2_0 = vec4f();
      s3_0 += t3_0;
      t3_0 = vec4f();
    }
  }
  s0_0 += t0_0;
  s1_0 += t1_0;
  s2_0 += t2_0;
  s3_0 += t3_0;
  {
    let m = rowTile * 32u + 0u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s0_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s0_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s0_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s0_0.w);
    }
  }
  {
    let m = rowTile * 32u + 8u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s1_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s1_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s1_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s1_0.w);
    }
  }
  {
    let m = rowTile * 32u + 16u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s2_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s2_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s2_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s2_0.w);
    }
  }
  {
    let m = rowTile * 32u + 24u + down;
    if (m < g.rows) {
      store(slab, m, columnTile * 64u + across + 0u, s3_0.x);
      store(slab, m, columnTile * 64u + across + 16u, s3_0.y);
      store(slab, m, columnTile * 64u + across + 32u, s3_0.z);
      store(slab, m, columnTile * 64u + across + 48u, s3_0.w);
    }
  }
}
