// 2-D convolution for GPUs: an implicit matrix product in workgroup memory. Written by
// generateGemm.mjs from conv2d.wgsl, which holds the equation, the shapes and the conventions; do not edit.
//
// Output channels are rows, pixels columns, and the sum runs over taps and channels; no matrix of patches is ever written. A tile's invocations
// keep four pixels each for loading, whose bounds and addresses are found once per tap. Where there are too few tiles to fill a GPU, the
// sum is split into `slabs` of `slabSteps` slices, each with a y of its own, and sum.wgsl adds them in order. Unsplit, results are those of
// conv2d_tile.wgsl to the bit: the same spans in the same order.

struct Geometry {
  batch: u32,
  groups: u32,
  inputs: u32,
  outputs: u32,
  outputsPadded: u32,
  gridHeight: u32, gridWidth: u32,
  xHeight: i32, xWidth: i32,
  yHeight: u32, yWidth: u32,
  kernelHeight: u32, kernelWidth: u32,
  xStrideHeight: i32, xStrideWidth: i32,
  xStepHeight: i32, xStepWidth: i32,
  xOffsetHeight: i32, xOffsetWidth: i32,
  yStrideHeight: u32, yStrideWidth: u32,
  yOffsetHeight: u32, yOffsetWidth: u32,
  biased: u32,
  slabs: u32,
  slabSteps: u32,
  // What becomes of a value as it is stored; see finishing().
  activation: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
// Any tensor where there is no bias (biased = 0).
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
// Shaped as y; any tensor where no activation asks for it.
@group(0) @binding(5) var<storage, read> gate: array<f32>;

// How a value is stored where a ReLU is computed along with this layer: the numbers that it stops, seen as bits, are `count` from `start` on; and
// whether the gate's sign counts too.
struct Finish {
  start: u32,
  count: u32,
  gated: bool,
  open: bool,
}

// The bits of `activation`: 1 values above zero pass, 2 NaN passes too, 4 what stands where gate > 0 passes, 8 where gate = 0 too. Both 1 and 4 must
// hold where both are set. So 3 is ReLU forward, and on the way down 1 is deconvnet, 4 gradient, 5 guided and 0 linear, as in relu.wgsl.
fn finishing() -> Finish {
  let signal = vec2u(0x7f800001u, 0x807fffffu);
  let forward = vec2u(0x80000000u, 0x7f800001u);
  let stopped = select(select(vec2u(), signal, (g.activation & 1u) != 0u), forward, (g.activation & 3u) == 3u);
  return Finish(stopped.x, stopped.y, (g.activation & 4u) != 0u, (g.activation & 8u) != 0u);
}

// By its bits: no compiler makes of this a maximum, which drops NaN.
fn signed(value: f32, f: Finish) -> f32 {
  return select(value, 0.0, bitcast<u32>(value) - f.start < f.count);
}

fn passed(value: f32, place: u32, f: Finish) -> f32 {
  let x = gate[place];
  return select(0.0, value, (x > 0.0) | ((x == 0.0) & f.open));
}

fn finish(value: f32, place: u32, f: Finish) -> f32 {
  let v = signed(value, f);
  if (f.gated) {
    return passed(v, place, f);
  }
  return v;
}

struct Pixel {
  n: u32,
  i: u32,
  j: u32,
}

// The grid position of pixel p, n-major; the last one stands in for those past the end.
fn pixel(p: u32) -> Pixel {
  let plane = g.gridHeight * g.gridWidth;
  let q = min(p, g.batch * plane - 1u);
  // Divisions cost as much as many loads: a remainder is what a quotient leaves.
  let n = q / plane;
  let place = q - n * plane;
  let i = place / g.gridWidth;
  return Pixel(n, i, place - i * g.gridWidth);
}

// Where a pixel goes in y, in the plane of a channel.
fn address(p: Pixel, channel: u32) -> u32 {
  let i = p.i * g.yStrideHeight + g.yOffsetHeight;
  let j = p.j * g.yStrideWidth + g.yOffsetWidth;
  return ((p.n * g.groups * g.outputs + channel) * g.yHeight + i) * g.yWidth + j;
}

// 128 output channels x 64 pixels to a workgroup, 8 x 8 to an invocation.
var<workgroup> aTilegemm128x64: array<vec4f, 512>;
var<workgroup> bTilegemm128x64: array<vec4f, 256>;

@compute @workgroup_size(128)
fn gemm128x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + 63u) / 64u;
  let rowTiles = g.outputsPadded / 128u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
  let lane = local % 16u;
  let slice = local / 16u;
  let wSlice = local / 32u;
  let wColumn = rowTile * 32u + local % 32u;
  let p0 = pixel(columnTile * 64u + lane + 0u);
  let p1 = pixel(columnTile * 64u + lane + 16u);
  let p2 = pixel(columnTile * 64u + lane + 32u);
  let p3 = pixel(columnTile * 64u + lane + 48u);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
  var s0_0 = vec4f();
  var t0_0 = vec4f();
  var s0_1 = vec4f();
  var t0_1 = vec4f();
  var s1_0 = vec4f();
  var t1_0 = vec4f();
  var s1_1 = vec4f();
  var t1_1 = vec4f();
  var s2_0 = vec4f();
  var t2_0 = vec4f();
  var s2_1 = vec4f();
  var t2_1 = vec4f();
  var s3_0 = vec4f();
  var t3_0 = vec4f();
  var s3_1 = vec4f();
  var t3_1 = vec4f();
  var s4_0 = vec4f();
  var t4_0 = vec4f();
  var s4_1 = vec4f();
  var t4_1 = vec4f();
  var s5_0 = vec4f();
  var t5_0 = vec4f();
  var s5_1 = vec4f();
  var t5_1 = vec4f();
  var s6_0 = vec4f();
  var t6_0 = vec4f();
  var s6_1 = vec4f();
  var t6_1 = vec4f();
  var s7_0 = vec4f();
  var t7_0 = vec4f();
  var s7_1 = vec4f();
  var t7_1 = vec4f();
  let down = local / 8u;
  let across = local % 8u;
  let tapSteps = (g.inputs + 15u) / 16u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, taps * tapSteps);
  var tap = first / tapSteps;
  var c = first % tapSteps * 16u;
  var kh = 0;
  var kw = 0;
  var in0 = false;
  var at0 = 0u;
  var in1 = false;
  var at1 = 0u;
  var in2 = false;
  var at2 = 0u;
  var in3 = false;
  var at3 = 0u;
  kh = i32(tap / g.kernelWidth) * g.xStepHeight;
  kw = i32(tap % g.kernelWidth) * g.xStepWidth;
  in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
  at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
  in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
  at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
  in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
  at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
  in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
  at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
  var xs0 = vec4f();
  var xs1 = vec4f();
  var ws0 = vec4f();
  var ws1 = vec4f();
  var ws2 = vec4f();
  var ws3 = vec4f();
  if (first < end) {
    {
      let k = c + slice + 0u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs0 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + slice + 8u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs1 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + wSlice + 0u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
    {
      let k = c + wSlice + 4u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
    {
      let k = c + wSlice + 8u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws2 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
    {
      let k = c + wSlice + 12u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws3 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
    bTilegemm128x64[(slice + 0u) * 16u + lane] = xs0;
    bTilegemm128x64[(slice + 8u) * 16u + lane] = xs1;
    aTilegemm128x64[local + 0u] = ws0;
    aTilegemm128x64[local + 128u] = ws1;
    aTilegemm128x64[local + 256u] = ws2;
    aTilegemm128x64[local + 384u] = ws3;
    workgroupBarrier();
    c += 16u;
    let ends = (c % 64u == 0u) | (c >= g.inputs);
    if (c >= g.inputs) {
      c = 0u;
      tap += 1u;
      kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
      at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
      in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
      at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
      in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
      at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
      in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
      at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
    }
    if (step + 1u < end) {
      {
        let k = c + slice + 0u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs0 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + slice + 8u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs1 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + wSlice + 0u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
      {
        let k = c + wSlice + 4u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
      {
        let k = c + wSlice + 8u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws2 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
      {
        let k = c + wSlice + 12u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws3 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
    }
    {
      let a0 = aTilegemm128x64[0u * 32u + down + 0u];
      let a1 = aTilegemm128x64[0u * 32u + down + 16u];
      let b0 = bTilegemm128x64[0u * 16u + across + 0u];
      let b1 = bTilegemm128x64[0u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[1u * 32u + down + 0u];
      let a1 = aTilegemm128x64[1u * 32u + down + 16u];
      let b0 = bTilegemm128x64[1u * 16u + across + 0u];
      let b1 = bTilegemm128x64[1u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[2u * 32u + down + 0u];
      let a1 = aTilegemm128x64[2u * 32u + down + 16u];
      let b0 = bTilegemm128x64[2u * 16u + across + 0u];
      let b1 = bTilegemm128x64[2u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[3u * 32u + down + 0u];
      let a1 = aTilegemm128x64[3u * 32u + down + 16u];
      let b0 = bTilegemm128x64[3u * 16u + across + 0u];
      let b1 = bTilegemm128x64[3u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[4u * 32u + down + 0u];
      let a1 = aTilegemm128x64[4u * 32u + down + 16u];
      let b0 = bTilegemm128x64[4u * 16u + across + 0u];
      let b1 = bTilegemm128x64[4u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[5u * 32u + down + 0u];
      let a1 = aTilegemm128x64[5u * 32u + down + 16u];
      let b0 = bTilegemm128x64[5u * 16u + across + 0u];
      let b1 = bTilegemm128x64[5u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[6u * 32u + down + 0u];
      let a1 = aTilegemm128x64[6u * 32u + down + 16u];
      let b0 = bTilegemm128x64[6u * 16u + across + 0u];
      let b1 = bTilegemm128x64[6u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[7u * 32u + down + 0u];
      let a1 = aTilegemm128x64[7u * 32u + down + 16u];
      let b0 = bTilegemm128x64[7u * 16u + across + 0u];
      let b1 = bTilegemm128x64[7u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[8u * 32u + down + 0u];
      let a1 = aTilegemm128x64[8u * 32u + down + 16u];
      let b0 = bTilegemm128x64[8u * 16u + across + 0u];
      let b1 = bTilegemm128x64[8u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[9u * 32u + down + 0u];
      let a1 = aTilegemm128x64[9u * 32u + down + 16u];
      let b0 = bTilegemm128x64[9u * 16u + across + 0u];
      let b1 = bTilegemm128x64[9u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[10u * 32u + down + 0u];
      let a1 = aTilegemm128x64[10u * 32u + down + 16u];
      let b0 = bTilegemm128x64[10u * 16u + across + 0u];
      let b1 = bTilegemm128x64[10u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[11u * 32u + down + 0u];
      let a1 = aTilegemm128x64[11u * 32u + down + 16u];
      let b0 = bTilegemm128x64[11u * 16u + across + 0u];
      let b1 = bTilegemm128x64[11u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[12u * 32u + down + 0u];
      let a1 = aTilegemm128x64[12u * 32u + down + 16u];
      let b0 = bTilegemm128x64[12u * 16u + across + 0u];
      let b1 = bTilegemm128x64[12u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[13u * 32u + down + 0u];
      let a1 = aTilegemm128x64[13u * 32u + down + 16u];
      let b0 = bTilegemm128x64[13u * 16u + across + 0u];
      let b1 = bTilegemm128x64[13u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[14u * 32u + down + 0u];
      let a1 = aTilegemm128x64[14u * 32u + down + 16u];
      let b0 = bTilegemm128x64[14u * 16u + across + 0u];
      let b1 = bTilegemm128x64[14u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    {
      let a0 = aTilegemm128x64[15u * 32u + down + 0u];
      let a1 = aTilegemm128x64[15u * 32u + down + 16u];
      let b0 = bTilegemm128x64[15u * 16u + across + 0u];
      let b1 = bTilegemm128x64[15u * 16u + across + 8u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t0_1 = fma(vec4f(a0.x), b1, t0_1);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t1_1 = fma(vec4f(a0.y), b1, t1_1);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t2_1 = fma(vec4f(a0.z), b1, t2_1);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t3_1 = fma(vec4f(a0.w), b1, t3_1);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t4_1 = fma(vec4f(a1.x), b1, t4_1);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t5_1 = fma(vec4f(a1.y), b1, t5_1);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t6_1 = fma(vec4f(a1.z), b1, t6_1);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
      t7_1 = fma(vec4f(a1.w), b1, t7_1);
    }
    if (ends) {
      s0_0 += t0_0;
      t0_0 = vec4f();
      s0_1 += t0_1;
      t0_1 = vec4f();
      s1_0 += t1_0;
      t1_0 = vec4f();
      s1_1 += t1_1;
      t1_1 = vec4f();
      s2_0 += t2_0;
      t2_0 = vec4f();
      s2_1 += t2_1;
      t2_1 = vec4f();
      s3_0 += t3_0;
      t3_0 = vec4f();
      s3_1 += t3_1;
      t3_1 = vec4f();
      s4_0 += t4_0;
      t4_0 = vec4f();
      s4_1 += t4_1;
      t4_1 = vec4f();
      s5_0 += t5_0;
      t5_0 = vec4f();
      s5_1 += t5_1;
      t5_1 = vec4f();
      s6_0 += t6_0;
      t6_0 = vec4f();
      s6_1 += t6_1;
      t6_1 = vec4f();
      s7_0 += t7_0;
      t7_0 = vec4f();
      s7_1 += t7_1;
      t7_1 = vec4f();
    }
  }
  s0_0 += t0_0;
  s0_1 += t0_1;
  s1_0 += t1_0;
  s1_1 += t1_1;
  s2_0 += t2_0;
  s2_1 += t2_1;
  s3_0 += t3_0;
  s3_1 += t3_1;
  s4_0 += t4_0;
  s4_1 += t4_1;
  s5_0 += t5_0;
  s5_1 += t5_1;
  s6_0 += t6_0;
  s6_1 += t6_1;
  s7_0 += t7_0;
  s7_1 += t7_1;
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
  let q0 = columnTile * 64u + across + 0u;
  let to0 = base + address(pixel(q0), part * g.outputs);
  let q1 = columnTile * 64u + across + 16u;
  let to1 = base + address(pixel(q1), part * g.outputs);
  let q2 = columnTile * 64u + across + 32u;
  let to2 = base + address(pixel(q2), part * g.outputs);
  let q3 = columnTile * 64u + across + 48u;
  let to3 = base + address(pixel(q3), part * g.outputs);
  let q4 = columnTile * 64u + across + 8u;
  let to4 = base + address(pixel(q4), part * g.outputs);
  let q5 = columnTile * 64u + across + 24u;
  let to5 = base + address(pixel(q5), part * g.outputs);
  let q6 = columnTile * 64u + across + 40u;
  let to6 = base + address(pixel(q6), part * g.outputs);
  let q7 = columnTile * 64u + across + 56u;
  let to7 = base + address(pixel(q7), part * g.outputs);
  {
    let o = rowTile * 128u + 0u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s0_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s0_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s0_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s0_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s0_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s0_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s0_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s0_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 1u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s1_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s1_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s1_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s1_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s1_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s1_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s1_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s1_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 2u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s2_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s2_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s2_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s2_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s2_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s2_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s2_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s2_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 3u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s3_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s3_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s3_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s3_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s3_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s3_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s3_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s3_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 64u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s4_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s4_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s4_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s4_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s4_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s4_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s4_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s4_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 65u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s5_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s5_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s5_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s5_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s5_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s5_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s5_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s5_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 66u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s6_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s6_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s6_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s6_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s6_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s6_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s6_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s6_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 128u + 67u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s7_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s7_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s7_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s7_0.w + bias, to3 + o * yPlane, f);
      }
      if (q4 < count) {
        y[to4 + o * yPlane] = finish(s7_1.x + bias, to4 + o * yPlane, f);
      }
      if (q5 < count) {
        y[to5 + o * yPlane] = finish(s7_1.y + bias, to5 + o * yPlane, f);
      }
      if (q6 < count) {
        y[to6 + o * yPlane] = finish(s7_1.z + bias, to6 + o * yPlane, f);
      }
      if (q7 < count) {
        y[to7 + o * yPlane] = finish(s7_1.w + bias, to7 + o * yPlane, f);
      }
    }
  }
}

// 64 output channels x 64 pixels to a workgroup, 8 x 4 to an invocation.
var<workgroup> aTilegemm64x64: array<vec4f, 256>;
var<workgroup> bTilegemm64x64: array<vec4f, 256>;

@compute @workgroup_size(128)
fn gemm64x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + 63u) / 64u;
  let rowTiles = g.outputsPadded / 64u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
  let lane = local % 16u;
  let slice = local / 16u;
  let wSlice = local / 16u;
  let wColumn = rowTile * 16u + local % 16u;
  let p0 = pixel(columnTile * 64u + lane + 0u);
  let p1 = pixel(columnTile * 64u + lane + 16u);
  let p2 = pixel(columnTile * 64u + lane + 32u);
  let p3 = pixel(columnTile * 64u + lane + 48u);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
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
  let tapSteps = (g.inputs + 15u) / 16u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, taps * tapSteps);
  var tap = first / tapSteps;
  var c = first % tapSteps * 16u;
  var kh = 0;
  var kw = 0;
  var in0 = false;
  var at0 = 0u;
  var in1 = false;
  var at1 = 0u;
  var in2 = false;
  var at2 = 0u;
  var in3 = false;
  var at3 = 0u;
  kh = i32(tap / g.kernelWidth) * g.xStepHeight;
  kw = i32(tap % g.kernelWidth) * g.xStepWidth;
  in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
  at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
  in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
  at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
  in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
  at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
  in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
  at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
  var xs0 = vec4f();
  var xs1 = vec4f();
  var ws0 = vec4f();
  var ws1 = vec4f();
  if (first < end) {
    {
      let k = c + slice + 0u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs0 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + slice + 8u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs1 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + wSlice + 0u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
    {
      let k = c + wSlice + 8u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
    bTilegemm64x64[(slice + 0u) * 16u + lane] = xs0;
    bTilegemm64x64[(slice + 8u) * 16u + lane] = xs1;
    aTilegemm64x64[local + 0u] = ws0;
    aTilegemm64x64[local + 128u] = ws1;
    workgroupBarrier();
    c += 16u;
    let ends = (c % 64u == 0u) | (c >= g.inputs);
    if (c >= g.inputs) {
      c = 0u;
      tap += 1u;
      kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
      at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
      in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
      at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
      in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
      at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
      in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
      at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
    }
    if (step + 1u < end) {
      {
        let k = c + slice + 0u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs0 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + slice + 8u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs1 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + wSlice + 0u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
      {
        let k = c + wSlice + 8u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTilegemm64x64[k * 16u + down + 0u];
      let a1 = aTilegemm64x64[k * 16u + down + 8u];
      let b0 = bTilegemm64x64[k * 16u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
    }
    if (ends) {
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
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
  let q0 = columnTile * 64u + across + 0u;
  let to0 = base + address(pixel(q0), part * g.outputs);
  let q1 = columnTile * 64u + across + 16u;
  let to1 = base + address(pixel(q1), part * g.outputs);
  let q2 = columnTile * 64u + across + 32u;
  let to2 = base + address(pixel(q2), part * g.outputs);
  let q3 = columnTile * 64u + across + 48u;
  let to3 = base + address(pixel(q3), part * g.outputs);
  {
    let o = rowTile * 64u + 0u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s0_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s0_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s0_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s0_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 1u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s1_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s1_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s1_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s1_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 2u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s2_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s2_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s2_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s2_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 3u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s3_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s3_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s3_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s3_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 32u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s4_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s4_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s4_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s4_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 33u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s5_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s5_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s5_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s5_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 34u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s6_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s6_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s6_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s6_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 35u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s7_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s7_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s7_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s7_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
}

// 32 output channels x 64 pixels to a workgroup, 4 x 4 to an invocation.
var<workgroup> aTilegemm32x64: array<vec4f, 128>;
var<workgroup> bTilegemm32x64: array<vec4f, 256>;

@compute @workgroup_size(128)
fn gemm32x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + 63u) / 64u;
  let rowTiles = g.outputsPadded / 32u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
  let lane = local % 16u;
  let slice = local / 16u;
  let wSlice = local / 8u;
  let wColumn = rowTile * 8u + local % 8u;
  let p0 = pixel(columnTile * 64u + lane + 0u);
  let p1 = pixel(columnTile * 64u + lane + 16u);
  let p2 = pixel(columnTile * 64u + lane + 32u);
  let p3 = pixel(columnTile * 64u + lane + 48u);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
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
  let tapSteps = (g.inputs + 15u) / 16u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, taps * tapSteps);
  var tap = first / tapSteps;
  var c = first % tapSteps * 16u;
  var kh = 0;
  var kw = 0;
  var in0 = false;
  var at0 = 0u;
  var in1 = false;
  var at1 = 0u;
  var in2 = false;
  var at2 = 0u;
  var in3 = false;
  var at3 = 0u;
  kh = i32(tap / g.kernelWidth) * g.xStepHeight;
  kw = i32(tap % g.kernelWidth) * g.xStepWidth;
  in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
  at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
  in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
  at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
  in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
  at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
  in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
  at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
  var xs0 = vec4f();
  var xs1 = vec4f();
  var ws0 = vec4f();
  if (first < end) {
    {
      let k = c + slice + 0u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs0 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + slice + 8u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs1 = vec4f(
        select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
        select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
        select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
        select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
      );
    }
    {
      let k = c + wSlice + 0u;
      let known = k < g.inputs;
      let row = (part * taps + tap) * g.inputs + k;
      ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
    bTilegemm32x64[(slice + 0u) * 16u + lane] = xs0;
    bTilegemm32x64[(slice + 8u) * 16u + lane] = xs1;
    aTilegemm32x64[local + 0u] = ws0;
    workgroupBarrier();
    c += 16u;
    let ends = (c % 64u == 0u) | (c >= g.inputs);
    if (c >= g.inputs) {
      c = 0u;
      tap += 1u;
      kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth));
      at0 = image0 + u32((top0 + kh) * g.xWidth + left0 + kw);
      in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth));
      at1 = image1 + u32((top1 + kh) * g.xWidth + left1 + kw);
      in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth));
      at2 = image2 + u32((top2 + kh) * g.xWidth + left2 + kw);
      in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth));
      at3 = image3 + u32((top3 + kh) * g.xWidth + left3 + kw);
    }
    if (step + 1u < end) {
      {
        let k = c + slice + 0u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs0 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + slice + 8u;
        let channel = k * plane;
        let known = k < g.inputs;
        xs1 = vec4f(
          select(0.0, x[select(0u, at0 + channel, in0 & known)], in0 & known),
          select(0.0, x[select(0u, at1 + channel, in1 & known)], in1 & known),
          select(0.0, x[select(0u, at2 + channel, in2 & known)], in2 & known),
          select(0.0, x[select(0u, at3 + channel, in3 & known)], in3 & known),
        );
      }
      {
        let k = c + wSlice + 0u;
        let known = k < g.inputs;
        let row = (part * taps + tap) * g.inputs + k;
        ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTilegemm32x64[k * 8u + down + 0u];
      let b0 = bTilegemm32x64[k * 16u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
    }
    if (ends) {
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
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
  let q0 = columnTile * 64u + across + 0u;
  let to0 = base + address(pixel(q0), part * g.outputs);
  let q1 = columnTile * 64u + across + 16u;
  let to1 = base + address(pixel(q1), part * g.outputs);
  let q2 = columnTile * 64u + across + 32u;
  let to2 = base + address(pixel(q2), part * g.outputs);
  let q3 = columnTile * 64u + across + 48u;
  let to3 = base + address(pixel(q3), part * g.outputs);
  {
    let o = rowTile * 32u + 0u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s0_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s0_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s0_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s0_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 1u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s1_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s1_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s1_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s1_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 2u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s2_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s2_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s2_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s2_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 3u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s3_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s3_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s3_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s3_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
}

// 64 output channels x 64 pixels to a workgroup, 8 x 4 to an invocation; taps and channels in one loop, for few input channels.
var<workgroup> aTileflat64x64: array<vec4f, 256>;
var<workgroup> bTileflat64x64: array<vec4f, 256>;

@compute @workgroup_size(128)
fn flat64x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + 63u) / 64u;
  let rowTiles = g.outputsPadded / 64u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
  let total = taps * g.inputs;
  let lane = local % 16u;
  let slice = local / 16u;
  let wSlice = local / 16u;
  let wColumn = rowTile * 16u + local % 16u;
  let p0 = pixel(columnTile * 64u + lane + 0u);
  let p1 = pixel(columnTile * 64u + lane + 16u);
  let p2 = pixel(columnTile * 64u + lane + 32u);
  let p3 = pixel(columnTile * 64u + lane + 48u);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
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
  let steps = (total + 15u) / 16u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, steps);
  var c = first * 16u;
  var xs0 = vec4f();
  var xs1 = vec4f();
  var ws0 = vec4f();
  var ws1 = vec4f();
  if (first < end) {
    {
      let k = c + slice + 0u;
      let tap = k / g.inputs;
      let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      let channel = k % g.inputs * plane;
      let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
      let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
      let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
      let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
      let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
      let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
      let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
      let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
      xs0 = vec4f(
        select(0.0, x[select(0u, at0, in0)], in0),
        select(0.0, x[select(0u, at1, in1)], in1),
        select(0.0, x[select(0u, at2, in2)], in2),
        select(0.0, x[select(0u, at3, in3)], in3),
      );
    }
    {
      let k = c + slice + 8u;
      let tap = k / g.inputs;
      let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      let channel = k % g.inputs * plane;
      let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
      let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
      let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
      let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
      let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
      let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
      let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
      let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
      xs1 = vec4f(
        select(0.0, x[select(0u, at0, in0)], in0),
        select(0.0, x[select(0u, at1, in1)], in1),
        select(0.0, x[select(0u, at2, in2)], in2),
        select(0.0, x[select(0u, at3, in3)], in3),
      );
    }
    {
      let k = c + wSlice + 0u;
      let known = k < total;
      let row = part * total + k;
      ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
    {
      let k = c + wSlice + 8u;
      let known = k < total;
      let row = part * total + k;
      ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
    bTileflat64x64[(slice + 0u) * 16u + lane] = xs0;
    bTileflat64x64[(slice + 8u) * 16u + lane] = xs1;
    aTileflat64x64[local + 0u] = ws0;
    aTileflat64x64[local + 128u] = ws1;
    workgroupBarrier();
    c += 16u;
    let ends = c % 64u == 0u;
    if (step + 1u < end) {
      {
        let k = c + slice + 0u;
        let tap = k / g.inputs;
        let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
        let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
        let channel = k % g.inputs * plane;
        let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
        let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
        let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
        let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
        let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
        let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
        let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
        let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
        xs0 = vec4f(
          select(0.0, x[select(0u, at0, in0)], in0),
          select(0.0, x[select(0u, at1, in1)], in1),
          select(0.0, x[select(0u, at2, in2)], in2),
          select(0.0, x[select(0u, at3, in3)], in3),
        );
      }
      {
        let k = c + slice + 8u;
        let tap = k / g.inputs;
        let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
        let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
        let channel = k % g.inputs * plane;
        let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
        let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
        let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
        let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
        let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
        let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
        let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
        let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
        xs1 = vec4f(
          select(0.0, x[select(0u, at0, in0)], in0),
          select(0.0, x[select(0u, at1, in1)], in1),
          select(0.0, x[select(0u, at2, in2)], in2),
          select(0.0, x[select(0u, at3, in3)], in3),
        );
      }
      {
        let k = c + wSlice + 0u;
        let known = k < total;
        let row = part * total + k;
        ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
      {
        let k = c + wSlice + 8u;
        let known = k < total;
        let row = part * total + k;
        ws1 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTileflat64x64[k * 16u + down + 0u];
      let a1 = aTileflat64x64[k * 16u + down + 8u];
      let b0 = bTileflat64x64[k * 16u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
      t4_0 = fma(vec4f(a1.x), b0, t4_0);
      t5_0 = fma(vec4f(a1.y), b0, t5_0);
      t6_0 = fma(vec4f(a1.z), b0, t6_0);
      t7_0 = fma(vec4f(a1.w), b0, t7_0);
    }
    if (ends) {
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
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
  let q0 = columnTile * 64u + across + 0u;
  let to0 = base + address(pixel(q0), part * g.outputs);
  let q1 = columnTile * 64u + across + 16u;
  let to1 = base + address(pixel(q1), part * g.outputs);
  let q2 = columnTile * 64u + across + 32u;
  let to2 = base + address(pixel(q2), part * g.outputs);
  let q3 = columnTile * 64u + across + 48u;
  let to3 = base + address(pixel(q3), part * g.outputs);
  {
    let o = rowTile * 64u + 0u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s0_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s0_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s0_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s0_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 1u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s1_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s1_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s1_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s1_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 2u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s2_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s2_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s2_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s2_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 3u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s3_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s3_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s3_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s3_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 32u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s4_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s4_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s4_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s4_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 33u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s5_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s5_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s5_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s5_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 34u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s6_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s6_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s6_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s6_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 64u + 35u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s7_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s7_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s7_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s7_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
}

// 32 output channels x 64 pixels to a workgroup, 4 x 4 to an invocation; taps and channels in one loop, for few input channels.
var<workgroup> aTileflat32x64: array<vec4f, 128>;
var<workgroup> bTileflat32x64: array<vec4f, 256>;

@compute @workgroup_size(128)
fn flat32x64(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + 63u) / 64u;
  let rowTiles = g.outputsPadded / 32u;
  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
  let part = index / (rowTiles * columnTiles) % g.groups;
  let slab = index / (rowTiles * columnTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
  let total = taps * g.inputs;
  let lane = local % 16u;
  let slice = local / 16u;
  let wSlice = local / 8u;
  let wColumn = rowTile * 8u + local % 8u;
  let p0 = pixel(columnTile * 64u + lane + 0u);
  let p1 = pixel(columnTile * 64u + lane + 16u);
  let p2 = pixel(columnTile * 64u + lane + 32u);
  let p3 = pixel(columnTile * 64u + lane + 48u);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
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
  let steps = (total + 15u) / 16u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, steps);
  var c = first * 16u;
  var xs0 = vec4f();
  var xs1 = vec4f();
  var ws0 = vec4f();
  if (first < end) {
    {
      let k = c + slice + 0u;
      let tap = k / g.inputs;
      let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      let channel = k % g.inputs * plane;
      let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
      let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
      let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
      let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
      let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
      let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
      let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
      let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
      xs0 = vec4f(
        select(0.0, x[select(0u, at0, in0)], in0),
        select(0.0, x[select(0u, at1, in1)], in1),
        select(0.0, x[select(0u, at2, in2)], in2),
        select(0.0, x[select(0u, at3, in3)], in3),
      );
    }
    {
      let k = c + slice + 8u;
      let tap = k / g.inputs;
      let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      let channel = k % g.inputs * plane;
      let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
      let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
      let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
      let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
      let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
      let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
      let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
      let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
      xs1 = vec4f(
        select(0.0, x[select(0u, at0, in0)], in0),
        select(0.0, x[select(0u, at1, in1)], in1),
        select(0.0, x[select(0u, at2, in2)], in2),
        select(0.0, x[select(0u, at3, in3)], in3),
      );
    }
    {
      let k = c + wSlice + 0u;
      let known = k < total;
      let row = part * total + k;
      ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
    bTileflat32x64[(slice + 0u) * 16u + lane] = xs0;
    bTileflat32x64[(slice + 8u) * 16u + lane] = xs1;
    aTileflat32x64[local + 0u] = ws0;
    workgroupBarrier();
    c += 16u;
    let ends = c % 64u == 0u;
    if (step + 1u < end) {
      {
        let k = c + slice + 0u;
        let tap = k / g.inputs;
        let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
        let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
        let channel = k % g.inputs * plane;
        let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
        let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
        let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
        let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
        let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
        let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
        let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
        let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
        xs0 = vec4f(
          select(0.0, x[select(0u, at0, in0)], in0),
          select(0.0, x[select(0u, at1, in1)], in1),
          select(0.0, x[select(0u, at2, in2)], in2),
          select(0.0, x[select(0u, at3, in3)], in3),
        );
      }
      {
        let k = c + slice + 8u;
        let tap = k / g.inputs;
        let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
        let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
        let channel = k % g.inputs * plane;
        let in0 = (u32(top0 + kh) < u32(g.xHeight)) & (u32(left0 + kw) < u32(g.xWidth)) & (k < total);
        let in1 = (u32(top1 + kh) < u32(g.xHeight)) & (u32(left1 + kw) < u32(g.xWidth)) & (k < total);
        let in2 = (u32(top2 + kh) < u32(g.xHeight)) & (u32(left2 + kw) < u32(g.xWidth)) & (k < total);
        let in3 = (u32(top3 + kh) < u32(g.xHeight)) & (u32(left3 + kw) < u32(g.xWidth)) & (k < total);
        let at0 = image0 + channel + u32((top0 + kh) * g.xWidth + left0 + kw);
        let at1 = image1 + channel + u32((top1 + kh) * g.xWidth + left1 + kw);
        let at2 = image2 + channel + u32((top2 + kh) * g.xWidth + left2 + kw);
        let at3 = image3 + channel + u32((top3 + kh) * g.xWidth + left3 + kw);
        xs1 = vec4f(
          select(0.0, x[select(0u, at0, in0)], in0),
          select(0.0, x[select(0u, at1, in1)], in1),
          select(0.0, x[select(0u, at2, in2)], in2),
          select(0.0, x[select(0u, at3, in3)], in3),
        );
      }
      {
        let k = c + wSlice + 0u;
        let known = k < total;
        let row = part * total + k;
        ws0 = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
      }
    }
    for (var k = 0u; k < 16u; k++) {
      let a0 = aTileflat32x64[k * 8u + down + 0u];
      let b0 = bTileflat32x64[k * 16u + across + 0u];
      t0_0 = fma(vec4f(a0.x), b0, t0_0);
      t1_0 = fma(vec4f(a0.y), b0, t1_0);
      t2_0 = fma(vec4f(a0.z), b0, t2_0);
      t3_0 = fma(vec4f(a0.w), b0, t3_0);
    }
    if (ends) {
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
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
  let q0 = columnTile * 64u + across + 0u;
  let to0 = base + address(pixel(q0), part * g.outputs);
  let q1 = columnTile * 64u + across + 16u;
  let to1 = base + address(pixel(q1), part * g.outputs);
  let q2 = columnTile * 64u + across + 32u;
  let to2 = base + address(pixel(q2), part * g.outputs);
  let q3 = columnTile * 64u + across + 48u;
  let to3 = base + address(pixel(q3), part * g.outputs);
  {
    let o = rowTile * 32u + 0u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s0_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s0_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s0_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s0_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 1u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s1_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s1_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s1_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s1_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 2u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s2_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s2_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s2_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s2_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
  {
    let o = rowTile * 32u + 3u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
      if (q0 < count) {
        y[to0 + o * yPlane] = finish(s3_0.x + bias, to0 + o * yPlane, f);
      }
      if (q1 < count) {
        y[to1 + o * yPlane] = finish(s3_0.y + bias, to1 + o * yPlane, f);
      }
      if (q2 < count) {
        y[to2 + o * yPlane] = finish(s3_0.z + bias, to2 + o * yPlane, f);
      }
      if (q3 < count) {
        y[to3 + o * yPlane] = finish(s3_0.w + bias, to3 + o * yPlane, f);
      }
    }
  }
}
