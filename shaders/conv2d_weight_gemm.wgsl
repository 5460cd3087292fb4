// 2-D convolution, backward to the weights, for GPUs: an implicit matrix product in workgroup memory. Written by
// generateGemm.mjs from conv2d_weight.wgsl, which holds the equation, the shapes and the conventions; do not edit.
//
// Output channels are rows, [channel, tap] columns, and the sum runs over the pixels of dy, `slabPixels` of them to a slab.
// Where x lies outside, zero is multiplied and added.

struct Geometry {
  batch: u32,
  groups: u32,
  inputs: u32,
  outputs: u32,
  xHeight: i32, xWidth: i32,
  yHeight: i32, yWidth: i32,
  kernelHeight: u32, kernelWidth: u32,
  strideHeight: i32, strideWidth: i32,
  padTop: i32, padLeft: i32,
  dilationHeight: i32, dilationWidth: i32,
  slabs: u32,
  slabPixels: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

fn store(to: u32, column: u32, columns: u32, value: f32) {
  if (column < columns) {
    partial[to + column] = value;
  }
}

// 128 output channels x 64 columns of dw to a workgroup, 8 x 8 to an invocation.
var<workgroup> aTilegemm128x64: array<vec4f, 264>;
var<workgroup> bTilegemm128x64: array<vec4f, 136>;

@compute @workgroup_size(128)
fn gemm128x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let taps = g.kernelHeight * g.kernelWidth;
  let columns = g.inputs * taps;
  let columnTiles = (columns + 63u) / 64u;
  let rowTiles = (g.outputs + 127u) / 128u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let slice = local % 8u;
  let line = local / 8u;
  // What is past the end repeats the last of its kind and is not stored.
  let row0 = min(vec4u(rowTile * 128u + line + 0u) + vec4u(0, 32, 64, 96), vec4u(g.outputs - 1u)) * yPlane;
  let row1 = min(vec4u(rowTile * 128u + line + 16u) + vec4u(0, 32, 64, 96), vec4u(g.outputs - 1u)) * yPlane;
  let column0 = min(vec4u(columnTile * 64u + line + 0u) + vec4u(0, 16, 32, 48), vec4u(columns - 1u));
  let down0 = vec4i(column0 % taps / g.kernelWidth) * g.dilationHeight;
  let right0 = vec4i(column0 % taps % g.kernelWidth) * g.dilationWidth;
  let offset0 = vec4i(column0 / taps) * xPlane + down0 * g.xWidth + right0;
  var s0_0 = vec4f();
  var s0_1 = vec4f();
  var s1_0 = vec4f();
  var s1_1 = vec4f();
  var s2_0 = vec4f();
  var s2_1 = vec4f();
  var s3_0 = vec4f();
  var s3_1 = vec4f();
  var s4_0 = vec4f();
  var s4_1 = vec4f();
  var s5_0 = vec4f();
  var s5_1 = vec4f();
  var s6_0 = vec4f();
  var s6_1 = vec4f();
  var s7_0 = vec4f();
  var s7_1 = vec4f();
  let down = local / 8u;
  let across = local % 8u;
  var start = slab * g.slabPixels;
  let end = min(start + g.slabPixels, g.batch * yPlane);
  var as0 = vec4f();
  var as1 = vec4f();
  var bs0 = vec4f();
    {
      let p = start + slice;
      let known = p < end;
      let q = select(0u, p, known);
      let n = q / yPlane;
      let oh = q % yPlane / u32(g.yWidth);
      let ow = q % u32(g.yWidth);
      let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
      let h = i32(oh) * g.strideHeight - g.padTop;
      let v = i32(ow) * g.strideWidth - g.padLeft;
      let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
      as0 = vec4f(
        select(0.0, dy[signal + row0.x], known),
        select(0.0, dy[signal + row0.y], known),
        select(0.0, dy[signal + row0.z], known),
        select(0.0, dy[signal + row0.w], known),
      );
      as1 = vec4f(
        select(0.0, dy[signal + row1.x], known),
        select(0.0, dy[signal + row1.y], known),
        select(0.0, dy[signal + row1.z], known),
        select(0.0, dy[signal + row1.w], known),
      );
      {
        let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
        let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
        let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
        let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
        bs0 = vec4f(
          select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
          select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
          select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
          select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
        );
      }
    }
  while (start < end) {
    workgroupBarrier();
    aTilegemm128x64[slice * 33u + line + 0u] = as0;
    aTilegemm128x64[slice * 33u + line + 16u] = as1;
    bTilegemm128x64[slice * 17u + line + 0u] = bs0;
    workgroupBarrier();
    start += 8u;
    if (start < end) {
      {
        let p = start + slice;
        let known = p < end;
        let q = select(0u, p, known);
        let n = q / yPlane;
        let oh = q % yPlane / u32(g.yWidth);
        let ow = q % u32(g.yWidth);
        let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
        let h = i32(oh) * g.strideHeight - g.padTop;
        let v = i32(ow) * g.strideWidth - g.padLeft;
        let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
        as0 = vec4f(
          select(0.0, dy[signal + row0.x], known),
          select(0.0, dy[signal + row0.y], known),
          select(0.0, dy[signal + row0.z], known),
          select(0.0, dy[signal + row0.w], known),
        );
        as1 = vec4f(
          select(0.0, dy[signal + row1.x], known),
          select(0.0, dy[signal + row1.y], known),
          select(0.0, dy[signal + row1.z], known),
          select(0.0, dy[signal + row1.w], known),
        );
        {
          let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
          let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
          let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
          let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
          bs0 = vec4f(
            select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
            select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
            select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
            select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
          );
        }
      }
    }
    {
      let a0 = aTilegemm128x64[0u * 33u + down + 0u];
      let a1 = aTilegemm128x64[0u * 33u + down + 16u];
      let b0 = bTilegemm128x64[0u * 17u + across + 0u];
      let b1 = bTilegemm128x64[0u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[1u * 33u + down + 0u];
      let a1 = aTilegemm128x64[1u * 33u + down + 16u];
      let b0 = bTilegemm128x64[1u * 17u + across + 0u];
      let b1 = bTilegemm128x64[1u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[2u * 33u + down + 0u];
      let a1 = aTilegemm128x64[2u * 33u + down + 16u];
      let b0 = bTilegemm128x64[2u * 17u + across + 0u];
      let b1 = bTilegemm128x64[2u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[3u * 33u + down + 0u];
      let a1 = aTilegemm128x64[3u * 33u + down + 16u];
      let b0 = bTilegemm128x64[3u * 17u + across + 0u];
      let b1 = bTilegemm128x64[3u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[4u * 33u + down + 0u];
      let a1 = aTilegemm128x64[4u * 33u + down + 16u];
      let b0 = bTilegemm128x64[4u * 17u + across + 0u];
      let b1 = bTilegemm128x64[4u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[5u * 33u + down + 0u];
      let a1 = aTilegemm128x64[5u * 33u + down + 16u];
      let b0 = bTilegemm128x64[5u * 17u + across + 0u];
      let b1 = bTilegemm128x64[5u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[6u * 33u + down + 0u];
      let a1 = aTilegemm128x64[6u * 33u + down + 16u];
      let b0 = bTilegemm128x64[6u * 17u + across + 0u];
      let b1 = bTilegemm128x64[6u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
    {
      let a0 = aTilegemm128x64[7u * 33u + down + 0u];
      let a1 = aTilegemm128x64[7u * 33u + down + 16u];
      let b0 = bTilegemm128x64[7u * 17u + across + 0u];
      let b1 = bTilegemm128x64[7u * 17u + across + 8u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s0_1 = fma(vec4f(a0.x), b1, s0_1);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s1_1 = fma(vec4f(a0.y), b1, s1_1);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s2_1 = fma(vec4f(a0.z), b1, s2_1);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s3_1 = fma(vec4f(a0.w), b1, s3_1);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s4_1 = fma(vec4f(a1.x), b1, s4_1);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s5_1 = fma(vec4f(a1.y), b1, s5_1);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s6_1 = fma(vec4f(a1.z), b1, s6_1);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
      s7_1 = fma(vec4f(a1.w), b1, s7_1);
    }
  }
  {
    let o = rowTile * 128u + 0u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s0_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s0_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s0_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s0_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s0_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s0_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s0_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s0_1.w);
    }
  }
  {
    let o = rowTile * 128u + 32u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s1_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s1_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s1_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s1_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s1_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s1_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s1_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s1_1.w);
    }
  }
  {
    let o = rowTile * 128u + 64u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s2_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s2_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s2_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s2_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s2_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s2_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s2_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s2_1.w);
    }
  }
  {
    let o = rowTile * 128u + 96u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s3_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s3_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s3_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s3_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s3_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s3_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s3_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s3_1.w);
    }
  }
  {
    let o = rowTile * 128u + 16u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s4_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s4_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s4_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s4_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s4_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s4_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s4_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s4_1.w);
    }
  }
  {
    let o = rowTile * 128u + 48u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s5_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s5_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s5_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s5_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s5_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s5_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s5_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s5_1.w);
    }
  }
  {
    let o = rowTile * 128u + 80u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s6_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s6_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s6_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s6_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s6_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s6_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s6_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s6_1.w);
    }
  }
  {
    let o = rowTile * 128u + 112u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s7_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s7_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s7_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s7_0.w);
      store(to, columnTile * 64u + across + 8u, columns, s7_1.x);
      store(to, columnTile * 64u + across + 24u, columns, s7_1.y);
      store(to, columnTile * 64u + across + 40u, columns, s7_1.z);
      store(to, columnTile * 64u + across + 56u, columns, s7_1.w);
    }
  }
}

// 64 output channels x 64 columns of dw to a workgroup, 8 x 4 to an invocation.
var<workgroup> aTilegemm64x64: array<vec4f, 136>;
var<workgroup> bTilegemm64x64: array<vec4f, 136>;

@compute @workgroup_size(128)
fn gemm64x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let taps = g.kernelHeight * g.kernelWidth;
  let columns = g.inputs * taps;
  let columnTiles = (columns + 63u) / 64u;
  let rowTiles = (g.outputs + 63u) / 64u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let slice = local % 8u;
  let line = local / 8u;
  // What is past the end repeats the last of its kind and is not stored.
  let row0 = min(vec4u(rowTile * 64u + line + 0u) + vec4u(0, 16, 32, 48), vec4u(g.outputs - 1u)) * yPlane;
  let column0 = min(vec4u(columnTile * 64u + line + 0u) + vec4u(0, 16, 32, 48), vec4u(columns - 1u));
  let down0 = vec4i(column0 % taps / g.kernelWidth) * g.dilationHeight;
  let right0 = vec4i(column0 % taps % g.kernelWidth) * g.dilationWidth;
  let offset0 = vec4i(column0 / taps) * xPlane + down0 * g.xWidth + right0;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  var s4_0 = vec4f();
  var s5_0 = vec4f();
  var s6_0 = vec4f();
  var s7_0 = vec4f();
  let down = local / 16u;
  let across = local % 16u;
  var start = slab * g.slabPixels;
  let end = min(start + g.slabPixels, g.batch * yPlane);
  var as0 = vec4f();
  var bs0 = vec4f();
    {
      let p = start + slice;
      let known = p < end;
      let q = select(0u, p, known);
      let n = q / yPlane;
      let oh = q % yPlane / u32(g.yWidth);
      let ow = q % u32(g.yWidth);
      let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
      let h = i32(oh) * g.strideHeight - g.padTop;
      let v = i32(ow) * g.strideWidth - g.padLeft;
      let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
      as0 = vec4f(
        select(0.0, dy[signal + row0.x], known),
        select(0.0, dy[signal + row0.y], known),
        select(0.0, dy[signal + row0.z], known),
        select(0.0, dy[signal + row0.w], known),
      );
      {
        let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
        let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
        let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
        let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
        bs0 = vec4f(
          select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
          select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
          select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
          select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
        );
      }
    }
  while (start < end) {
    workgroupBarrier();
    aTilegemm64x64[slice * 17u + line + 0u] = as0;
    bTilegemm64x64[slice * 17u + line + 0u] = bs0;
    workgroupBarrier();
    start += 8u;
    if (start < end) {
      {
        let p = start + slice;
        let known = p < end;
        let q = select(0u, p, known);
        let n = q / yPlane;
        let oh = q % yPlane / u32(g.yWidth);
        let ow = q % u32(g.yWidth);
        let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
        let h = i32(oh) * g.strideHeight - g.padTop;
        let v = i32(ow) * g.strideWidth - g.padLeft;
        let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
        as0 = vec4f(
          select(0.0, dy[signal + row0.x], known),
          select(0.0, dy[signal + row0.y], known),
          select(0.0, dy[signal + row0.z], known),
          select(0.0, dy[signal + row0.w], known),
        );
        {
          let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
          let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
          let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
          let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
          bs0 = vec4f(
            select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
            select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
            select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
            select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
          );
        }
      }
    }
    for (var k = 0u; k < 8u; k++) {
      let a0 = aTilegemm64x64[k * 17u + down + 0u];
      let a1 = aTilegemm64x64[k * 17u + down + 8u];
      let b0 = bTilegemm64x64[k * 17u + across + 0u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
      s4_0 = fma(vec4f(a1.x), b0, s4_0);
      s5_0 = fma(vec4f(a1.y), b0, s5_0);
      s6_0 = fma(vec4f(a1.z), b0, s6_0);
      s7_0 = fma(vec4f(a1.w), b0, s7_0);
    }
  }
  {
    let o = rowTile * 64u + 0u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s0_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s0_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s0_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s0_0.w);
    }
  }
  {
    let o = rowTile * 64u + 16u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s1_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s1_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s1_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s1_0.w);
    }
  }
  {
    let o = rowTile * 64u + 32u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s2_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s2_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s2_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s2_0.w);
    }
  }
  {
    let o = rowTile * 64u + 48u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s3_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s3_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s3_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s3_0.w);
    }
  }
  {
    let o = rowTile * 64u + 8u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s4_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s4_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s4_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s4_0.w);
    }
  }
  {
    let o = rowTile * 64u + 24u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s5_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s5_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s5_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s5_0.w);
    }
  }
  {
    let o = rowTile * 64u + 40u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s6_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s6_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s6_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s6_0.w);
    }
  }
  {
    let o = rowTile * 64u + 56u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 64u + across + 0u, columns, s7_0.x);
      store(to, columnTile * 64u + across + 16u, columns, s7_0.y);
      store(to, columnTile * 64u + across + 32u, columns, s7_0.z);
      store(to, columnTile * 64u + across + 48u, columns, s7_0.w);
    }
  }
}

// 32 output channels x 32 columns of dw to a workgroup, 4 x 4 to an invocation.
var<workgroup> aTilegemm32x32: array<vec4f, 144>;
var<workgroup> bTilegemm32x32: array<vec4f, 144>;

@compute @workgroup_size(64)
fn gemm32x32(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let taps = g.kernelHeight * g.kernelWidth;
  let columns = g.inputs * taps;
  let columnTiles = (columns + 31u) / 32u;
  let rowTiles = (g.outputs + 31u) / 32u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let slice = local % 16u;
  let line = local / 16u;
  // What is past the end repeats the last of its kind and is not stored.
  let row0 = min(vec4u(rowTile * 32u + line + 0u) + vec4u(0, 8, 16, 24), vec4u(g.outputs - 1u)) * yPlane;
  let row1 = min(vec4u(rowTile * 32u + line + 4u) + vec4u(0, 8, 16, 24), vec4u(g.outputs - 1u)) * yPlane;
  let column0 = min(vec4u(columnTile * 32u + line + 0u) + vec4u(0, 8, 16, 24), vec4u(columns - 1u));
  let down0 = vec4i(column0 % taps / g.kernelWidth) * g.dilationHeight;
  let right0 = vec4i(column0 % taps % g.kernelWidth) * g.dilationWidth;
  let offset0 = vec4i(column0 / taps) * xPlane + down0 * g.xWidth + right0;
  let column1 = min(vec4u(columnTile * 32u + line + 4u) + vec4u(0, 8, 16, 24), vec4u(columns - 1u));
  let down1 = vec4i(column1 % taps / g.kernelWidth) * g.dilationHeight;
  let right1 = vec4i(column1 % taps % g.kernelWidth) * g.dilationWidth;
  let offset1 = vec4i(column1 / taps) * xPlane + down1 * g.xWidth + right1;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  let down = local / 8u;
  let across = local % 8u;
  var start = slab * g.slabPixels;
  let end = min(start + g.slabPixels, g.batch * yPlane);
  var as0 = vec4f();
  var as1 = vec4f();
  var bs0 = vec4f();
  var bs1 = vec4f();
    {
      let p = start + slice;
      let known = p < end;
      let q = select(0u, p, known);
      let n = q / yPlane;
      let oh = q % yPlane / u32(g.yWidth);
      let ow = q % u32(g.yWidth);
      let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
      let h = i32(oh) * g.strideHeight - g.padTop;
      let v = i32(ow) * g.strideWidth - g.padLeft;
      let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
      as0 = vec4f(
        select(0.0, dy[signal + row0.x], known),
        select(0.0, dy[signal + row0.y], known),
        select(0.0, dy[signal + row0.z], known),
        select(0.0, dy[signal + row0.w], known),
      );
      as1 = vec4f(
        select(0.0, dy[signal + row1.x], known),
        select(0.0, dy[signal + row1.y], known),
        select(0.0, dy[signal + row1.z], known),
        select(0.0, dy[signal + row1.w], known),
      );
      {
        let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
        let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
        let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
        let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
        bs0 = vec4f(
          select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
          select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
          select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
          select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
        );
      }
      {
        let in0 = known & (u32(h + down1.x) < u32(g.xHeight)) & (u32(v + right1.x) < u32(g.xWidth));
        let in1 = known & (u32(h + down1.y) < u32(g.xHeight)) & (u32(v + right1.y) < u32(g.xWidth));
        let in2 = known & (u32(h + down1.z) < u32(g.xHeight)) & (u32(v + right1.z) < u32(g.xWidth));
        let in3 = known & (u32(h + down1.w) < u32(g.xHeight)) & (u32(v + right1.w) < u32(g.xWidth));
        bs1 = vec4f(
          select(0.0, x[select(0u, u32(origin + offset1.x), in0)], in0),
          select(0.0, x[select(0u, u32(origin + offset1.y), in1)], in1),
          select(0.0, x[select(0u, u32(origin + offset1.z), in2)], in2),
          select(0.0, x[select(0u, u32(origin + offset1.w), in3)], in3),
        );
      }
    }
  while (start < end) {
    workgroupBarrier();
    aTilegemm32x32[slice * 9u + line + 0u] = as0;
    aTilegemm32x32[slice * 9u + line + 4u] = as1;
    bTilegemm32x32[slice * 9u + line + 0u] = bs0;
    bTilegemm32x32[slice * 9u + line + 4u] = bs1;
    workgroupBarrier();
    start += 16u;
    if (start < end) {
      {
        let p = start + slice;
        let known = p < end;
        let q = select(0u, p, known);
        let n = q / yPlane;
        let oh = q % yPlane / u32(g.yWidth);
        let ow = q % u32(g.yWidth);
        let signal = (n * g.groups + part) * g.outputs * yPlane + q % yPlane;
        let h = i32(oh) * g.strideHeight - g.padTop;
        let v = i32(ow) * g.strideWidth - g.padLeft;
        let origin = i32((n * g.groups + part) * g.inputs) * xPlane + h * g.xWidth + v;
        as0 = vec4f(
          select(0.0, dy[signal + row0.x], known),
          select(0.0, dy[signal + row0.y], known),
          select(0.0, dy[signal + row0.z], known),
          select(0.0, dy[signal + row0.w], known),
        );
        as1 = vec4f(
          select(0.0, dy[signal + row1.x], known),
          select(0.0, dy[signal + row1.y], known),
          select(0.0, dy[signal + row1.z], known),
          select(0.0, dy[signal + row1.w], known),
        );
        {
          let in0 = known & (u32(h + down0.x) < u32(g.xHeight)) & (u32(v + right0.x) < u32(g.xWidth));
          let in1 = known & (u32(h + down0.y) < u32(g.xHeight)) & (u32(v + right0.y) < u32(g.xWidth));
          let in2 = known & (u32(h + down0.z) < u32(g.xHeight)) & (u32(v + right0.z) < u32(g.xWidth));
          let in3 = known & (u32(h + down0.w) < u32(g.xHeight)) & (u32(v + right0.w) < u32(g.xWidth));
          bs0 = vec4f(
            select(0.0, x[select(0u, u32(origin + offset0.x), in0)], in0),
            select(0.0, x[select(0u, u32(origin + offset0.y), in1)], in1),
            select(0.0, x[select(0u, u32(origin + offset0.z), in2)], in2),
            select(0.0, x[select(0u, u32(origin + offset0.w), in3)], in3),
          );
        }
        {
          let in0 = known & (u32(h + down1.x) < u32(g.xHeight)) & (u32(v + right1.x) < u32(g.xWidth));
          let in1 = known & (u32(h + down1.y) < u32(g.xHeight)) & (u32(v + right1.y) < u32(g.xWidth));
          let in2 = known & (u32(h + down1.z) < u32(g.xHeight)) & (u32(v + right1.z) < u32(g.xWidth));
          let in3 = known & (u32(h + down1.w) < u32(g.xHeight)) & (u32(v + right1.w) < u32(g.xWidth));
          bs1 = vec4f(
            select(0.0, x[select(0u, u32(origin + offset1.x), in0)], in0),
            select(0.0, x[select(0u, u32(origin + offset1.y), in1)], in1),
            select(0.0, x[select(0u, u32(origin + offset1.z), in2)], in2),
            select(0.0, x[select(0u, u32(origin + offset1.w), in3)], in3),
          );
        }
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTilegemm32x32[k * 9u + down + 0u];
      let b0 = bTilegemm32x32[k * 9u + across + 0u];
      s0_0 = fma(vec4f(a0.x), b0, s0_0);
      s1_0 = fma(vec4f(a0.y), b0, s1_0);
      s2_0 = fma(vec4f(a0.z), b0, s2_0);
      s3_0 = fma(vec4f(a0.w), b0, s3_0);
    }
  }
  {
    let o = rowTile * 32u + 0u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 32u + across + 0u, columns, s0_0.x);
      store(to, columnTile * 32u + across + 8u, columns, s0_0.y);
      store(to, columnTile * 32u + across + 16u, columns, s0_0.z);
      store(to, columnTile * 32u + across + 24u, columns, s0_0.w);
    }
  }
  {
    let o = rowTile * 32u + 8u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 32u + across + 0u, columns, s1_0.x);
      store(to, columnTile * 32u + across + 8u, columns, s1_0.y);
      store(to, columnTile * 32u + across + 16u, columns, s1_0.z);
      store(to, columnTile * 32u + across + 24u, columns, s1_0.w);
    }
  }
  {
    let o = rowTile * 32u + 16u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 32u + across + 0u, columns, s2_0.x);
      store(to, columnTile * 32u + across + 8u, columns, s2_0.y);
      store(to, columnTile * 32u + across + 16u, columns, s2_0.z);
      store(to, columnTile * 32u + across + 24u, columns, s2_0.w);
    }
  }
  {
    let o = rowTile * 32u + 24u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
      store(to, columnTile * 32u + across + 0u, columns, s3_0.x);
      store(to, columnTile * 32u + across + 8u, columns, s3_0.y);
      store(to, columnTile * 32u + across + 16u, columns, s3_0.z);
      store(to, columnTile * 32u + across + 24u, columns, s3_0.w);
    }
  }
}
