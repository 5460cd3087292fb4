// 2-D convolution in register tiles, for devices with subgroups. Written by generate.mjs from conv2d.wgsl, which
// holds the equation, the shapes and the conventions; do not edit.
//
// As conv2d_tile.wgsl, but the four invocations of a quad, which need the same weights, load a quarter each and broadcast it. A quad lies
// within one tile of output channels, `lanes` being a multiple of 4; invocations past the end run along, because the others rely on them.
// The result is the same to the bit, except where a row's taps go into one sum.

enable subgroups;

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

// 7 pixels x 16 output channels.
@compute @workgroup_size(32)
fn quad7x16(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let lanes = (count + 27u) / 28u * 4u;
  let tiles = g.outputsPadded / 16u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 16u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  let p0 = pixel(lane + 0u * lanes);
  let p1 = pixel(lane + 1u * lanes);
  let p2 = pixel(lane + 2u * lanes);
  let p3 = pixel(lane + 3u * lanes);
  let p4 = pixel(lane + 4u * lanes);
  let p5 = pixel(lane + 5u * lanes);
  let p6 = pixel(lane + 6u * lanes);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let top4 = i32(p4.i) * g.xStrideHeight + g.xOffsetHeight;
  let top5 = i32(p5.i) * g.xStrideHeight + g.xOffsetHeight;
  let top6 = i32(p6.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let left4 = i32(p4.j) * g.xStrideWidth + g.xOffsetWidth;
  let left5 = i32(p5.j) * g.xStrideWidth + g.xOffsetWidth;
  let left6 = i32(p6.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
  let image4 = (p4.n * g.groups + part) * g.inputs * plane;
  let image5 = (p5.n * g.groups + part) * g.inputs * plane;
  let image6 = (p6.n * g.groups + part) * g.inputs * plane;
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
  let pitch = g.outputsPadded / 4u;
  var row = (part * g.kernelHeight * g.kernelWidth * g.inputs * g.outputsPadded + first) / 4u + (member & 3u);
  let spans = (g.inputs + 63u) / 64u;
  for (var tap = 0u; tap < g.kernelHeight * g.kernelWidth; tap++) {
    let down = i32(tap / g.kernelWidth) * g.xStepHeight;
    let right = i32(tap % g.kernelWidth) * g.xStepWidth;
    let in0 = (u32(top0 + down) < u32(g.xHeight)) & (u32(left0 + right) < u32(g.xWidth));
    let in1 = (u32(top1 + down) < u32(g.xHeight)) & (u32(left1 + right) < u32(g.xWidth));
    let in2 = (u32(top2 + down) < u32(g.xHeight)) & (u32(left2 + right) < u32(g.xWidth));
    let in3 = (u32(top3 + down) < u32(g.xHeight)) & (u32(left3 + right) < u32(g.xWidth));
    let in4 = (u32(top4 + down) < u32(g.xHeight)) & (u32(left4 + right) < u32(g.xWidth));
    let in5 = (u32(top5 + down) < u32(g.xHeight)) & (u32(left5 + right) < u32(g.xWidth));
    let in6 = (u32(top6 + down) < u32(g.xHeight)) & (u32(left6 + right) < u32(g.xWidth));
    let at0 = select(0u, image0 + u32((top0 + down) * g.xWidth + left0 + right), in0);
    let at1 = select(0u, image1 + u32((top1 + down) * g.xWidth + left1 + right), in1);
    let at2 = select(0u, image2 + u32((top2 + down) * g.xWidth + left2 + right), in2);
    let at3 = select(0u, image3 + u32((top3 + down) * g.xWidth + left3 + right), in3);
    let at4 = select(0u, image4 + u32((top4 + down) * g.xWidth + left4 + right), in4);
    let at5 = select(0u, image5 + u32((top5 + down) * g.xWidth + left5 + right), in5);
    let at6 = select(0u, image6 + u32((top6 + down) * g.xWidth + left6 + right), in6);
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
      let end = min((span + 1u) * 64u, g.inputs);
      for (var c = span * 64u; c < end; c += 2u) {
        let channel = c * plane;
        let own_0 = w[row];
        let w0_0 = quadBroadcast(own_0, 0u);
        let w1_0 = quadBroadcast(own_0, 1u);
        let w2_0 = quadBroadcast(own_0, 2u);
        let w3_0 = quadBroadcast(own_0, 3u);
        let x0_0 = select(0.0, x[at0 + channel], in0);
        let x1_0 = select(0.0, x[at1 + channel], in1);
        t0_0 = fma(vec4f(x0_0), w0_0, t0_0);
        t0_1 = fma(vec4f(x0_0), w1_0, t0_1);
        t0_2 = fma(vec4f(x0_0), w2_0, t0_2);
        t0_3 = fma(vec4f(x0_0), w3_0, t0_3);
        let x2_0 = select(0.0, x[at2 + channel], in2);
        t1_0 = fma(vec4f(x1_0), w0_0, t1_0);
        t1_1 = fma(vec4f(x1_0), w1_0, t1_1);
        t1_2 = fma(vec4f(x1_0), w2_0, t1_2);
        t1_3 = fma(vec4f(x1_0), w3_0, t1_3);
        let x3_0 = select(0.0, x[at3 + channel], in3);
        t2_0 = fma(vec4f(x2_0), w0_0, t2_0);
        t2_1 = fma(vec4f(x2_0), w1_0, t2_1);
        t2_2 = fma(vec4f(x2_0), w2_0, t2_2);
        t2_3 = fma(vec4f(x2_0), w3_0, t2_3);
        let x4_0 = select(0.0, x[at4 + channel], in4);
        t3_0 = fma(vec4f(x3_0), w0_0, t3_0);
        t3_1 = fma(vec4f(x3_0), w1_0, t3_1);
        t3_2 = fma(vec4f(x3_0), w2_0, t3_2);
        t3_3 = fma(vec4f(x3_0), w3_0, t3_3);
        let x5_0 = select(0.0, x[at5 + channel], in5);
        t4_0 = fma(vec4f(x4_0), w0_0, t4_0);
        t4_1 = fma(vec4f(x4_0), w1_0, t4_1);
        t4_2 = fma(vec4f(x4_0), w2_0, t4_2);
        t4_3 = fma(vec4f(x4_0), w3_0, t4_3);
        let x6_0 = select(0.0, x[at6 + channel], in6);
        t5_0 = fma(vec4f(x5_0), w0_0, t5_0);
        t5_1 = fma(vec4f(x5_0), w1_0, t5_1);
        t5_2 = fma(vec4f(x5_0), w2_0, t5_2);
        t5_3 = fma(vec4f(x5_0), w3_0, t5_3);
        let own_1 = w[row + pitch];
        let w0_1 = quadBroadcast(own_1, 0u);
        let w1_1 = quadBroadcast(own_1, 1u);
        let w2_1 = quadBroadcast(own_1, 2u);
        let w3_1 = quadBroadcast(own_1, 3u);
        let x0_1 = select(0.0, x[at0 + channel + plane], in0);
        t6_0 = fma(vec4f(x6_0), w0_0, t6_0);
        t6_1 = fma(vec4f(x6_0), w1_0, t6_1);
        t6_2 = fma(vec4f(x6_0), w2_0, t6_2);
        t6_3 = fma(vec4f(x6_0), w3_0, t6_3);
        let x1_1 = select(0.0, x[at1 + channel + plane], in1);
        t0_0 = fma(vec4f(x0_1), w0_1, t0_0);
        t0_1 = fma(vec4f(x0_1), w1_1, t0_1);
        t0_2 = fma(vec4f(x0_1), w2_1, t0_2);
        t0_3 = fma(vec4f(x0_1), w3_1, t0_3);
        let x2_1 = select(0.0, x[at2 + channel + plane], in2);
        t1_0 = fma(vec4f(x1_1), w0_1, t1_0);
        t1_1 = fma(vec4f(x1_1), w1_1, t1_1);
        t1_2 = fma(vec4f(x1_1), w2_1, t1_2);
        t1_3 = fma(vec4f(x1_1), w3_1, t1_3);
        let x3_1 = select(0.0, x[at3 + channel + plane], in3);
        t2_0 = fma(vec4f(x2_1), w0_1, t2_0);
        t2_1 = fma(vec4f(x2_1), w1_1, t2_1);
        t2_2 = fma(vec4f(x2_1), w2_1, t2_2);
        t2_3 = fma(vec4f(x2_1), w3_1, t2_3);
        let x4_1 = select(0.0, x[at4 + channel + plane], in4);
        t3_0 = fma(vec4f(x3_1), w0_1, t3_0);
        t3_1 = fma(vec4f(x3_1), w1_1, t3_1);
        t3_2 = fma(vec4f(x3_1), w2_1, t3_2);
        t3_3 = fma(vec4f(x3_1), w3_1, t3_3);
        let x5_1 = select(0.0, x[at5 + channel + plane], in5);
        t4_0 = fma(vec4f(x4_1), w0_1, t4_0);
        t4_1 = fma(vec4f(x4_1), w1_1, t4_1);
        t4_2 = fma(vec4f(x4_1), w2_1, t4_2);
        t4_3 = fma(vec4f(x4_1), w3_1, t4_3);
        let x6_1 = select(0.0, x[at6 + channel + plane], in6);
        t5_0 = fma(vec4f(x5_1), w0_1, t5_0);
        t5_1 = fma(vec4f(x5_1), w1_1, t5_1);
        t5_2 = fma(vec4f(x5_1), w2_1, t5_2);
        t5_3 = fma(vec4f(x5_1), w3_1, t5_3);
        t6_0 = fma(vec4f(x6_1), w0_1, t6_0);
        t6_1 = fma(vec4f(x6_1), w1_1, t6_1);
        t6_2 = fma(vec4f(x6_1), w2_1, t6_2);
        t6_3 = fma(vec4f(x6_1), w3_1, t6_3);
        row += 2u * pitch;
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
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 7>, 16>(
    array<f32, 7>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x),
    array<f32, 7>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y),
    array<f32, 7>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z),
    array<f32, 7>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w),
    array<f32, 7>(s0_1.x, s1_1.x, s2_1.x, s3_1.x, s4_1.x, s5_1.x, s6_1.x),
    array<f32, 7>(s0_1.y, s1_1.y, s2_1.y, s3_1.y, s4_1.y, s5_1.y, s6_1.y),
    array<f32, 7>(s0_1.z, s1_1.z, s2_1.z, s3_1.z, s4_1.z, s5_1.z, s6_1.z),
    array<f32, 7>(s0_1.w, s1_1.w, s2_1.w, s3_1.w, s4_1.w, s5_1.w, s6_1.w),
    array<f32, 7>(s0_2.x, s1_2.x, s2_2.x, s3_2.x, s4_2.x, s5_2.x, s6_2.x),
    array<f32, 7>(s0_2.y, s1_2.y, s2_2.y, s3_2.y, s4_2.y, s5_2.y, s6_2.y),
    array<f32, 7>(s0_2.z, s1_2.z, s2_2.z, s3_2.z, s4_2.z, s5_2.z, s6_2.z),
    array<f32, 7>(s0_2.w, s1_2.w, s2_2.w, s3_2.w, s4_2.w, s5_2.w, s6_2.w),
    array<f32, 7>(s0_3.x, s1_3.x, s2_3.x, s3_3.x, s4_3.x, s5_3.x, s6_3.x),
    array<f32, 7>(s0_3.y, s1_3.y, s2_3.y, s3_3.y, s4_3.y, s5_3.y, s6_3.y),
    array<f32, 7>(s0_3.z, s1_3.z, s2_3.z, s3_3.z, s4_3.z, s5_3.z, s6_3.z),
    array<f32, 7>(s0_3.w, s1_3.w, s2_3.w, s3_3.w, s4_3.w, s5_3.w, s6_3.w),
  );
  let to0 = address(p0, part * g.outputs + first);
  let to1 = address(p1, part * g.outputs + first);
  let to2 = address(p2, part * g.outputs + first);
  let to3 = address(p3, part * g.outputs + first);
  let to4 = address(p4, part * g.outputs + first);
  let to5 = address(p5, part * g.outputs + first);
  let to6 = address(p6, part * g.outputs + first);
  let f = finishing();
  for (var o = 0u; o < min(16u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    var v4 = signed(column[4] + bias, f);
    var v5 = signed(column[5] + bias, f);
    var v6 = signed(column[6] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
      v4 = passed(v4, to4 + up, f);
      v5 = passed(v5, to5 + up, f);
      v6 = passed(v6, to6 + up, f);
    }
    if (lane + 0u * lanes < count) {
      y[to0 + up] = v0;
    }
    if (lane + 1u * lanes < count) {
      y[to1 + up] = v1;
    }
    if (lane + 2u * lanes < count) {
      y[to2 + up] = v2;
    }
    if (lane + 3u * lanes < count) {
      y[to3 + up] = v3;
    }
    if (lane + 4u * lanes < count) {
      y[to4 + up] = v4;
    }
    if (lane + 5u * lanes < count) {
      y[to5 + up] = v5;
    }
    if (lane + 6u * lanes < count) {
      y[to6 + up] = v6;
    }
  }
}

// 8 pixels x 16 output channels, for few input channels.
@compute @workgroup_size(32)
fn flatQuad8x16(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let lanes = (count + 31u) / 32u * 4u;
  let tiles = g.outputsPadded / 16u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 16u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  let p0 = pixel(lane + 0u * lanes);
  let p1 = pixel(lane + 1u * lanes);
  let p2 = pixel(lane + 2u * lanes);
  let p3 = pixel(lane + 3u * lanes);
  let p4 = pixel(lane + 4u * lanes);
  let p5 = pixel(lane + 5u * lanes);
  let p6 = pixel(lane + 6u * lanes);
  let p7 = pixel(lane + 7u * lanes);
  let top0 = i32(p0.i) * g.xStrideHeight + g.xOffsetHeight;
  let top1 = i32(p1.i) * g.xStrideHeight + g.xOffsetHeight;
  let top2 = i32(p2.i) * g.xStrideHeight + g.xOffsetHeight;
  let top3 = i32(p3.i) * g.xStrideHeight + g.xOffsetHeight;
  let top4 = i32(p4.i) * g.xStrideHeight + g.xOffsetHeight;
  let top5 = i32(p5.i) * g.xStrideHeight + g.xOffsetHeight;
  let top6 = i32(p6.i) * g.xStrideHeight + g.xOffsetHeight;
  let top7 = i32(p7.i) * g.xStrideHeight + g.xOffsetHeight;
  let left0 = i32(p0.j) * g.xStrideWidth + g.xOffsetWidth;
  let left1 = i32(p1.j) * g.xStrideWidth + g.xOffsetWidth;
  let left2 = i32(p2.j) * g.xStrideWidth + g.xOffsetWidth;
  let left3 = i32(p3.j) * g.xStrideWidth + g.xOffsetWidth;
  let left4 = i32(p4.j) * g.xStrideWidth + g.xOffsetWidth;
  let left5 = i32(p5.j) * g.xStrideWidth + g.xOffsetWidth;
  let left6 = i32(p6.j) * g.xStrideWidth + g.xOffsetWidth;
  let left7 = i32(p7.j) * g.xStrideWidth + g.xOffsetWidth;
  let image0 = (p0.n * g.groups + part) * g.inputs * plane;
  let image1 = (p1.n * g.groups + part) * g.inputs * plane;
  let image2 = (p2.n * g.groups + part) * g.inputs * plane;
  let image3 = (p3.n * g.groups + part) * g.inputs * plane;
  let image4 = (p4.n * g.groups + part) * g.inputs * plane;
  let image5 = (p5.n * g.groups + part) * g.inputs * plane;
  let image6 = (p6.n * g.groups + part) * g.inputs * plane;
  let image7 = (p7.n * g.groups + part) * g.inputs * plane;
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
  let pitch = g.outputsPadded / 4u;
  var row = (part * g.kernelHeight * g.kernelWidth * g.inputs * g.outputsPadded + first) / 4u + (member & 3u);
  let total = g.kernelHeight * g.kernelWidth * g.inputs;
  var c = 0u;
  var kh = 0;
  var kw = 0;
  for (var start = 0u; start < total; start += 64u) {
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
    let end = min(start + 64u, total);
    for (var k = start; k < end; k++) {
      let down = kh * g.xStepHeight;
      let right = kw * g.xStepWidth;
      let channel = c * plane;
      let in0 = (u32(top0 + down) < u32(g.xHeight)) & (u32(left0 + right) < u32(g.xWidth));
      let in1 = (u32(top1 + down) < u32(g.xHeight)) & (u32(left1 + right) < u32(g.xWidth));
      let in2 = (u32(top2 + down) < u32(g.xHeight)) & (u32(left2 + right) < u32(g.xWidth));
      let in3 = (u32(top3 + down) < u32(g.xHeight)) & (u32(left3 + right) < u32(g.xWidth));
      let in4 = (u32(top4 + down) < u32(g.xHeight)) & (u32(left4 + right) < u32(g.xWidth));
      let in5 = (u32(top5 + down) < u32(g.xHeight)) & (u32(left5 + right) < u32(g.xWidth));
      let in6 = (u32(top6 + down) < u32(g.xHeight)) & (u32(left6 + right) < u32(g.xWidth));
      let in7 = (u32(top7 + down) < u32(g.xHeight)) & (u32(left7 + right) < u32(g.xWidth));
      let at0 = image0 + channel + u32((top0 + down) * g.xWidth + left0 + right);
      let at1 = image1 + channel + u32((top1 + down) * g.xWidth + left1 + right);
      let at2 = image2 + channel + u32((top2 + down) * g.xWidth + left2 + right);
      let at3 = image3 + channel + u32((top3 + down) * g.xWidth + left3 + right);
      let at4 = image4 + channel + u32((top4 + down) * g.xWidth + left4 + right);
      let at5 = image5 + channel + u32((top5 + down) * g.xWidth + left5 + right);
      let at6 = image6 + channel + u32((top6 + down) * g.xWidth + left6 + right);
      let at7 = image7 + channel + u32((top7 + down) * g.xWidth + left7 + right);
      let x0 = select(0.0, x[select(0u, at0, in0)], in0);
      let x1 = select(0.0, x[select(0u, at1, in1)], in1);
      let x2 = select(0.0, x[select(0u, at2, in2)], in2);
      let x3 = select(0.0, x[select(0u, at3, in3)], in3);
      let x4 = select(0.0, x[select(0u, at4, in4)], in4);
      let x5 = select(0.0, x[select(0u, at5, in5)], in5);
      let x6 = select(0.0, x[select(0u, at6, in6)], in6);
      let x7 = select(0.0, x[select(0u, at7, in7)], in7);
      let own = w[row];
      let w0 = quadBroadcast(own, 0u);
      let w1 = quadBroadcast(own, 1u);
      let w2 = quadBroadcast(own, 2u);
      let w3 = quadBroadcast(own, 3u);
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
      row += pitch;
      // The next channel, or the next tap's first.
      c += 1u;
      let pastChannels = c == g.inputs;
      c = select(c, 0u, pastChannels);
      kw += select(0, 1, pastChannels);
      let pastRow = kw == i32(g.kernelWidth);
      kw = select(kw, 0, pastRow);
      kh += select(0, 1, pastRow);
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
  if (item >= g.groups) {
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
  let to0 = address(p0, part * g.outputs + first);
  let to1 = address(p1, part * g.outputs + first);
  let to2 = address(p2, part * g.outputs + first);
  let to3 = address(p3, part * g.outputs + first);
  let to4 = address(p4, part * g.outputs + first);
  let to5 = address(p5, part * g.outputs + first);
  let to6 = address(p6, part * g.outputs + first);
  let to7 = address(p7, part * g.outputs + first);
  let f = finishing();
  for (var o = 0u; o < min(16u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    var v4 = signed(column[4] + bias, f);
    var v5 = signed(column[5] + bias, f);
    var v6 = signed(column[6] + bias, f);
    var v7 = signed(column[7] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
      v4 = passed(v4, to4 + up, f);
      v5 = passed(v5, to5 + up, f);
      v6 = passed(v6, to6 + up, f);
      v7 = passed(v7, to7 + up, f);
    }
    if (lane + 0u * lanes < count) {
      y[to0 + up] = v0;
    }
    if (lane + 1u * lanes < count) {
      y[to1 + up] = v1;
    }
    if (lane + 2u * lanes < count) {
      y[to2 + up] = v2;
    }
    if (lane + 3u * lanes < count) {
      y[to3 + up] = v3;
    }
    if (lane + 4u * lanes < count) {
      y[to4 + up] = v4;
    }
    if (lane + 5u * lanes < count) {
      y[to5 + up] = v5;
    }
    if (lane + 6u * lanes < count) {
      y[to6 + up] = v6;
    }
    if (lane + 7u * lanes < count) {
      y[to7 + up] = v7;
    }
  }
}

// 7 adjacent pixels of a row x 16 output channels, of a window 3 wide.
@compute @workgroup_size(32)
fn row7x16(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + 6u) / 7u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / 16u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 16u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * 7u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, 2 * g.xStepWidth);
  let leftmost = select(0, 2, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
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
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * 3u * g.inputs * pitch + first / 4u + (member & 3u);
  for (var begin = 0u; begin < g.inputs; begin += 32u) {
    let end = min(begin + 32u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
      let in0 = inside & (u32(left + 0) < u32(g.xWidth));
      let in1 = inside & (u32(left + 1) < u32(g.xWidth));
      let in2 = inside & (u32(left + 2) < u32(g.xWidth));
      let in3 = inside & (u32(left + 3) < u32(g.xWidth));
      let in4 = inside & (u32(left + 4) < u32(g.xWidth));
      let in5 = inside & (u32(left + 5) < u32(g.xWidth));
      let in6 = inside & (u32(left + 6) < u32(g.xWidth));
      let in7 = inside & (u32(left + 7) < u32(g.xWidth));
      let in8 = inside & (u32(left + 8) < u32(g.xWidth));
      let at0 = select(0u, line + u32(left + 0), in0);
      let at1 = select(0u, line + u32(left + 1), in1);
      let at2 = select(0u, line + u32(left + 2), in2);
      let at3 = select(0u, line + u32(left + 3), in3);
      let at4 = select(0u, line + u32(left + 4), in4);
      let at5 = select(0u, line + u32(left + 5), in5);
      let at6 = select(0u, line + u32(left + 6), in6);
      let at7 = select(0u, line + u32(left + 7), in7);
      let at8 = select(0u, line + u32(left + 8), in8);
      var row0 = base + ((kh * 3u + u32(abs(0 - leftmost))) * g.inputs + begin) * pitch;
      var row1 = base + ((kh * 3u + u32(abs(1 - leftmost))) * g.inputs + begin) * pitch;
      var row2 = base + ((kh * 3u + u32(abs(2 - leftmost))) * g.inputs + begin) * pitch;
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
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
        let own0 = w[row0];
        let w0_0 = quadBroadcast(own0, 0u);
        let w0_1 = quadBroadcast(own0, 1u);
        let w0_2 = quadBroadcast(own0, 2u);
        let w0_3 = quadBroadcast(own0, 3u);
        let own1 = w[row1];
        let w1_0 = quadBroadcast(own1, 0u);
        let w1_1 = quadBroadcast(own1, 1u);
        let w1_2 = quadBroadcast(own1, 2u);
        let w1_3 = quadBroadcast(own1, 3u);
        let own2 = w[row2];
        let w2_0 = quadBroadcast(own2, 0u);
        let w2_1 = quadBroadcast(own2, 1u);
        let w2_2 = quadBroadcast(own2, 2u);
        let w2_3 = quadBroadcast(own2, 3u);
        let x0 = select(0.0, x[at0 + channel], in0);
        let x1 = select(0.0, x[at1 + channel], in1);
        let x2 = select(0.0, x[at2 + channel], in2);
        let x3 = select(0.0, x[at3 + channel], in3);
        t0_0 = fma(vec4f(x0), w0_0, t0_0);
        t0_1 = fma(vec4f(x0), w0_1, t0_1);
        t0_2 = fma(vec4f(x0), w0_2, t0_2);
        t0_3 = fma(vec4f(x0), w0_3, t0_3);
        t0_0 = fma(vec4f(x1), w1_0, t0_0);
        t0_1 = fma(vec4f(x1), w1_1, t0_1);
        t0_2 = fma(vec4f(x1), w1_2, t0_2);
        t0_3 = fma(vec4f(x1), w1_3, t0_3);
        t0_0 = fma(vec4f(x2), w2_0, t0_0);
        t0_1 = fma(vec4f(x2), w2_1, t0_1);
        t0_2 = fma(vec4f(x2), w2_2, t0_2);
        t0_3 = fma(vec4f(x2), w2_3, t0_3);
        let x4 = select(0.0, x[at4 + channel], in4);
        t1_0 = fma(vec4f(x1), w0_0, t1_0);
        t1_1 = fma(vec4f(x1), w0_1, t1_1);
        t1_2 = fma(vec4f(x1), w0_2, t1_2);
        t1_3 = fma(vec4f(x1), w0_3, t1_3);
        t1_0 = fma(vec4f(x2), w1_0, t1_0);
        t1_1 = fma(vec4f(x2), w1_1, t1_1);
        t1_2 = fma(vec4f(x2), w1_2, t1_2);
        t1_3 = fma(vec4f(x2), w1_3, t1_3);
        t1_0 = fma(vec4f(x3), w2_0, t1_0);
        t1_1 = fma(vec4f(x3), w2_1, t1_1);
        t1_2 = fma(vec4f(x3), w2_2, t1_2);
        t1_3 = fma(vec4f(x3), w2_3, t1_3);
        let x5 = select(0.0, x[at5 + channel], in5);
        t2_0 = fma(vec4f(x2), w0_0, t2_0);
        t2_1 = fma(vec4f(x2), w0_1, t2_1);
        t2_2 = fma(vec4f(x2), w0_2, t2_2);
        t2_3 = fma(vec4f(x2), w0_3, t2_3);
        t2_0 = fma(vec4f(x3), w1_0, t2_0);
        t2_1 = fma(vec4f(x3), w1_1, t2_1);
        t2_2 = fma(vec4f(x3), w1_2, t2_2);
        t2_3 = fma(vec4f(x3), w1_3, t2_3);
        t2_0 = fma(vec4f(x4), w2_0, t2_0);
        t2_1 = fma(vec4f(x4), w2_1, t2_1);
        t2_2 = fma(vec4f(x4), w2_2, t2_2);
        t2_3 = fma(vec4f(x4), w2_3, t2_3);
        let x6 = select(0.0, x[at6 + channel], in6);
        t3_0 = fma(vec4f(x3), w0_0, t3_0);
        t3_1 = fma(vec4f(x3), w0_1, t3_1);
        t3_2 = fma(vec4f(x3), w0_2, t3_2);
        t3_3 = fma(vec4f(x3), w0_3, t3_3);
        t3_0 = fma(vec4f(x4), w1_0, t3_0);
        t3_1 = fma(vec4f(x4), w1_1, t3_1);
        t3_2 = fma(vec4f(x4), w1_2, t3_2);
        t3_3 = fma(vec4f(x4), w1_3, t3_3);
        t3_0 = fma(vec4f(x5), w2_0, t3_0);
        t3_1 = fma(vec4f(x5), w2_1, t3_1);
        t3_2 = fma(vec4f(x5), w2_2, t3_2);
        t3_3 = fma(vec4f(x5), w2_3, t3_3);
        let x7 = select(0.0, x[at7 + channel], in7);
        t4_0 = fma(vec4f(x4), w0_0, t4_0);
        t4_1 = fma(vec4f(x4), w0_1, t4_1);
        t4_2 = fma(vec4f(x4), w0_2, t4_2);
        t4_3 = fma(vec4f(x4), w0_3, t4_3);
        t4_0 = fma(vec4f(x5), w1_0, t4_0);
        t4_1 = fma(vec4f(x5), w1_1, t4_1);
        t4_2 = fma(vec4f(x5), w1_2, t4_2);
        t4_3 = fma(vec4f(x5), w1_3, t4_3);
        t4_0 = fma(vec4f(x6), w2_0, t4_0);
        t4_1 = fma(vec4f(x6), w2_1, t4_1);
        t4_2 = fma(vec4f(x6), w2_2, t4_2);
        t4_3 = fma(vec4f(x6), w2_3, t4_3);
        let x8 = select(0.0, x[at8 + channel], in8);
        t5_0 = fma(vec4f(x5), w0_0, t5_0);
        t5_1 = fma(vec4f(x5), w0_1, t5_1);
        t5_2 = fma(vec4f(x5), w0_2, t5_2);
        t5_3 = fma(vec4f(x5), w0_3, t5_3);
        t5_0 = fma(vec4f(x6), w1_0, t5_0);
        t5_1 = fma(vec4f(x6), w1_1, t5_1);
        t5_2 = fma(vec4f(x6), w1_2, t5_2);
        t5_3 = fma(vec4f(x6), w1_3, t5_3);
        t5_0 = fma(vec4f(x7), w2_0, t5_0);
        t5_1 = fma(vec4f(x7), w2_1, t5_1);
        t5_2 = fma(vec4f(x7), w2_2, t5_2);
        t5_3 = fma(vec4f(x7), w2_3, t5_3);
        t6_0 = fma(vec4f(x6), w0_0, t6_0);
        t6_1 = fma(vec4f(x6), w0_1, t6_1);
        t6_2 = fma(vec4f(x6), w0_2, t6_2);
        t6_3 = fma(vec4f(x6), w0_3, t6_3);
        t6_0 = fma(vec4f(x7), w1_0, t6_0);
        t6_1 = fma(vec4f(x7), w1_1, t6_1);
        t6_2 = fma(vec4f(x7), w1_2, t6_2);
        t6_3 = fma(vec4f(x7), w1_3, t6_3);
        t6_0 = fma(vec4f(x8), w2_0, t6_0);
        t6_1 = fma(vec4f(x8), w2_1, t6_1);
        t6_2 = fma(vec4f(x8), w2_2, t6_2);
        t6_3 = fma(vec4f(x8), w2_3, t6_3);
        row0 += pitch;
        row1 += pitch;
        row2 += pitch;
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
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 7>, 16>(
    array<f32, 7>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x),
    array<f32, 7>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y),
    array<f32, 7>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z),
    array<f32, 7>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w),
    array<f32, 7>(s0_1.x, s1_1.x, s2_1.x, s3_1.x, s4_1.x, s5_1.x, s6_1.x),
    array<f32, 7>(s0_1.y, s1_1.y, s2_1.y, s3_1.y, s4_1.y, s5_1.y, s6_1.y),
    array<f32, 7>(s0_1.z, s1_1.z, s2_1.z, s3_1.z, s4_1.z, s5_1.z, s6_1.z),
    array<f32, 7>(s0_1.w, s1_1.w, s2_1.w, s3_1.w, s4_1.w, s5_1.w, s6_1.w),
    array<f32, 7>(s0_2.x, s1_2.x, s2_2.x, s3_2.x, s4_2.x, s5_2.x, s6_2.x),
    array<f32, 7>(s0_2.y, s1_2.y, s2_2.y, s3_2.y, s4_2.y, s5_2.y, s6_2.y),
    array<f32, 7>(s0_2.z, s1_2.z, s2_2.z, s3_2.z, s4_2.z, s5_2.z, s6_2.z),
    array<f32, 7>(s0_2.w, s1_2.w, s2_2.w, s3_2.w, s4_2.w, s5_2.w, s6_2.w),
    array<f32, 7>(s0_3.x, s1_3.x, s2_3.x, s3_3.x, s4_3.x, s5_3.x, s6_3.x),
    array<f32, 7>(s0_3.y, s1_3.y, s2_3.y, s3_3.y, s4_3.y, s5_3.y, s6_3.y),
    array<f32, 7>(s0_3.z, s1_3.z, s2_3.z, s3_3.z, s4_3.z, s5_3.z, s6_3.z),
    array<f32, 7>(s0_3.w, s1_3.w, s2_3.w, s3_3.w, s4_3.w, s5_3.w, s6_3.w),
  );
  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
  let to0 = origin + min(0u, last) * g.yStrideWidth;
  let to1 = origin + min(1u, last) * g.yStrideWidth;
  let to2 = origin + min(2u, last) * g.yStrideWidth;
  let to3 = origin + min(3u, last) * g.yStrideWidth;
  let to4 = origin + min(4u, last) * g.yStrideWidth;
  let to5 = origin + min(5u, last) * g.yStrideWidth;
  let to6 = origin + min(6u, last) * g.yStrideWidth;
  let f = finishing();
  for (var o = 0u; o < min(16u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    var v4 = signed(column[4] + bias, f);
    var v5 = signed(column[5] + bias, f);
    var v6 = signed(column[6] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
      v4 = passed(v4, to4 + up, f);
      v5 = passed(v5, to5 + up, f);
      v6 = passed(v6, to6 + up, f);
    }
    if ((lane < count) & (0u <= last)) {
      y[to0 + up] = v0;
    }
    if ((lane < count) & (1u <= last)) {
      y[to1 + up] = v1;
    }
    if ((lane < count) & (2u <= last)) {
      y[to2 + up] = v2;
    }
    if ((lane < count) & (3u <= last)) {
      y[to3 + up] = v3;
    }
    if ((lane < count) & (4u <= last)) {
      y[to4 + up] = v4;
    }
    if ((lane < count) & (5u <= last)) {
      y[to5 + up] = v5;
    }
    if ((lane < count) & (6u <= last)) {
      y[to6 + up] = v6;
    }
  }
}

// 4 adjacent pixels of a row x 16 output channels, of a window 3 wide.
@compute @workgroup_size(32)
fn row4x16(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + 3u) / 4u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / 16u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 16u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * 4u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, 2 * g.xStepWidth);
  let leftmost = select(0, 2, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
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
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * 3u * g.inputs * pitch + first / 4u + (member & 3u);
  for (var begin = 0u; begin < g.inputs; begin += 32u) {
    let end = min(begin + 32u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
      let in0 = inside & (u32(left + 0) < u32(g.xWidth));
      let in1 = inside & (u32(left + 1) < u32(g.xWidth));
      let in2 = inside & (u32(left + 2) < u32(g.xWidth));
      let in3 = inside & (u32(left + 3) < u32(g.xWidth));
      let in4 = inside & (u32(left + 4) < u32(g.xWidth));
      let in5 = inside & (u32(left + 5) < u32(g.xWidth));
      let at0 = select(0u, line + u32(left + 0), in0);
      let at1 = select(0u, line + u32(left + 1), in1);
      let at2 = select(0u, line + u32(left + 2), in2);
      let at3 = select(0u, line + u32(left + 3), in3);
      let at4 = select(0u, line + u32(left + 4), in4);
      let at5 = select(0u, line + u32(left + 5), in5);
      var row0 = base + ((kh * 3u + u32(abs(0 - leftmost))) * g.inputs + begin) * pitch;
      var row1 = base + ((kh * 3u + u32(abs(1 - leftmost))) * g.inputs + begin) * pitch;
      var row2 = base + ((kh * 3u + u32(abs(2 - leftmost))) * g.inputs + begin) * pitch;
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
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
        let own0 = w[row0];
        let w0_0 = quadBroadcast(own0, 0u);
        let w0_1 = quadBroadcast(own0, 1u);
        let w0_2 = quadBroadcast(own0, 2u);
        let w0_3 = quadBroadcast(own0, 3u);
        let own1 = w[row1];
        let w1_0 = quadBroadcast(own1, 0u);
        let w1_1 = quadBroadcast(own1, 1u);
        let w1_2 = quadBroadcast(own1, 2u);
        let w1_3 = quadBroadcast(own1, 3u);
        let own2 = w[row2];
        let w2_0 = quadBroadcast(own2, 0u);
        let w2_1 = quadBroadcast(own2, 1u);
        let w2_2 = quadBroadcast(own2, 2u);
        let w2_3 = quadBroadcast(own2, 3u);
        let x0 = select(0.0, x[at0 + channel], in0);
        let x1 = select(0.0, x[at1 + channel], in1);
        let x2 = select(0.0, x[at2 + channel], in2);
        let x3 = select(0.0, x[at3 + channel], in3);
        t0_0 = fma(vec4f(x0), w0_0, t0_0);
        t0_1 = fma(vec4f(x0), w0_1, t0_1);
        t0_2 = fma(vec4f(x0), w0_2, t0_2);
        t0_3 = fma(vec4f(x0), w0_3, t0_3);
        t0_0 = fma(vec4f(x1), w1_0, t0_0);
        t0_1 = fma(vec4f(x1), w1_1, t0_1);
        t0_2 = fma(vec4f(x1), w1_2, t0_2);
        t0_3 = fma(vec4f(x1), w1_3, t0_3);
        t0_0 = fma(vec4f(x2), w2_0, t0_0);
        t0_1 = fma(vec4f(x2), w2_1, t0_1);
        t0_2 = fma(vec4f(x2), w2_2, t0_2);
        t0_3 = fma(vec4f(x2), w2_3, t0_3);
        let x4 = select(0.0, x[at4 + channel], in4);
        t1_0 = fma(vec4f(x1), w0_0, t1_0);
        t1_1 = fma(vec4f(x1), w0_1, t1_1);
        t1_2 = fma(vec4f(x1), w0_2, t1_2);
        t1_3 = fma(vec4f(x1), w0_3, t1_3);
        t1_0 = fma(vec4f(x2), w1_0, t1_0);
        t1_1 = fma(vec4f(x2), w1_1, t1_1);
        t1_2 = fma(vec4f(x2), w1_2, t1_2);
        t1_3 = fma(vec4f(x2), w1_3, t1_3);
        t1_0 = fma(vec4f(x3), w2_0, t1_0);
        t1_1 = fma(vec4f(x3), w2_1, t1_1);
        t1_2 = fma(vec4f(x3), w2_2, t1_2);
        t1_3 = fma(vec4f(x3), w2_3, t1_3);
        let x5 = select(0.0, x[at5 + channel], in5);
        t2_0 = fma(vec4f(x2), w0_0, t2_0);
        t2_1 = fma(vec4f(x2), w0_1, t2_1);
        t2_2 = fma(vec4f(x2), w0_2, t2_2);
        t2_3 = fma(vec4f(x2), w0_3, t2_3);
        t2_0 = fma(vec4f(x3), w1_0, t2_0);
        t2_1 = fma(vec4f(x3), w1_1, t2_1);
        t2_2 = fma(vec4f(x3), w1_2, t2_2);
        t2_3 = fma(vec4f(x3), w1_3, t2_3);
        t2_0 = fma(vec4f(x4), w2_0, t2_0);
        t2_1 = fma(vec4f(x4), w2_1, t2_1);
        t2_2 = fma(vec4f(x4), w2_2, t2_2);
        t2_3 = fma(vec4f(x4), w2_3, t2_3);
        t3_0 = fma(vec4f(x3), w0_0, t3_0);
        t3_1 = fma(vec4f(x3), w0_1, t3_1);
        t3_2 = fma(vec4f(x3), w0_2, t3_2);
        t3_3 = fma(vec4f(x3), w0_3, t3_3);
        t3_0 = fma(vec4f(x4), w1_0, t3_0);
        t3_1 = fma(vec4f(x4), w1_1, t3_1);
        t3_2 = fma(vec4f(x4), w1_2, t3_2);
        t3_3 = fma(vec4f(x4), w1_3, t3_3);
        t3_0 = fma(vec4f(x5), w2_0, t3_0);
        t3_1 = fma(vec4f(x5), w2_1, t3_1);
        t3_2 = fma(vec4f(x5), w2_2, t3_2);
        t3_3 = fma(vec4f(x5), w2_3, t3_3);
        row0 += pitch;
        row1 += pitch;
        row2 += pitch;
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
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 4>, 16>(
    array<f32, 4>(s0_0.x, s1_0.x, s2_0.x, s3_0.x),
    array<f32, 4>(s0_0.y, s1_0.y, s2_0.y, s3_0.y),
    array<f32, 4>(s0_0.z, s1_0.z, s2_0.z, s3_0.z),
    array<f32, 4>(s0_0.w, s1_0.w, s2_0.w, s3_0.w),
    array<f32, 4>(s0_1.x, s1_1.x, s2_1.x, s3_1.x),
    array<f32, 4>(s0_1.y, s1_1.y, s2_1.y, s3_1.y),
    array<f32, 4>(s0_1.z, s1_1.z, s2_1.z, s3_1.z),
    array<f32, 4>(s0_1.w, s1_1.w, s2_1.w, s3_1.w),
    array<f32, 4>(s0_2.x, s1_2.x, s2_2.x, s3_2.x),
    array<f32, 4>(s0_2.y, s1_2.y, s2_2.y, s3_2.y),
    array<f32, 4>(s0_2.z, s1_2.z, s2_2.z, s3_2.z),
    array<f32, 4>(s0_2.w, s1_2.w, s2_2.w, s3_2.w),
    array<f32, 4>(s0_3.x, s1_3.x, s2_3.x, s3_3.x),
    array<f32, 4>(s0_3.y, s1_3.y, s2_3.y, s3_3.y),
    array<f32, 4>(s0_3.z, s1_3.z, s2_3.z, s3_3.z),
    array<f32, 4>(s0_3.w, s1_3.w, s2_3.w, s3_3.w),
  );
  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
  let to0 = origin + min(0u, last) * g.yStrideWidth;
  let to1 = origin + min(1u, last) * g.yStrideWidth;
  let to2 = origin + min(2u, last) * g.yStrideWidth;
  let to3 = origin + min(3u, last) * g.yStrideWidth;
  let f = finishing();
  for (var o = 0u; o < min(16u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
    }
    if ((lane < count) & (0u <= last)) {
      y[to0 + up] = v0;
    }
    if ((lane < count) & (1u <= last)) {
      y[to1 + up] = v1;
    }
    if ((lane < count) & (2u <= last)) {
      y[to2 + up] = v2;
    }
    if ((lane < count) & (3u <= last)) {
      y[to3 + up] = v3;
    }
  }
}

// 4 adjacent pixels of a row x 16 output channels, of a window 5 wide.
@compute @workgroup_size(32)
fn row4x16of5(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + 3u) / 4u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / 16u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 16u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * 4u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, 4 * g.xStepWidth);
  let leftmost = select(0, 4, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
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
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * 5u * g.inputs * pitch + first / 4u + (member & 3u);
  for (var begin = 0u; begin < g.inputs; begin += 32u) {
    let end = min(begin + 32u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
      let in0 = inside & (u32(left + 0) < u32(g.xWidth));
      let in1 = inside & (u32(left + 1) < u32(g.xWidth));
      let in2 = inside & (u32(left + 2) < u32(g.xWidth));
      let in3 = inside & (u32(left + 3) < u32(g.xWidth));
      let in4 = inside & (u32(left + 4) < u32(g.xWidth));
      let in5 = inside & (u32(left + 5) < u32(g.xWidth));
      let in6 = inside & (u32(left + 6) < u32(g.xWidth));
      let in7 = inside & (u32(left + 7) < u32(g.xWidth));
      let at0 = select(0u, line + u32(left + 0), in0);
      let at1 = select(0u, line + u32(left + 1), in1);
      let at2 = select(0u, line + u32(left + 2), in2);
      let at3 = select(0u, line + u32(left + 3), in3);
      let at4 = select(0u, line + u32(left + 4), in4);
      let at5 = select(0u, line + u32(left + 5), in5);
      let at6 = select(0u, line + u32(left + 6), in6);
      let at7 = select(0u, line + u32(left + 7), in7);
      var row0 = base + ((kh * 5u + u32(abs(0 - leftmost))) * g.inputs + begin) * pitch;
      var row1 = base + ((kh * 5u + u32(abs(1 - leftmost))) * g.inputs + begin) * pitch;
      var row2 = base + ((kh * 5u + u32(abs(2 - leftmost))) * g.inputs + begin) * pitch;
      var row3 = base + ((kh * 5u + u32(abs(3 - leftmost))) * g.inputs + begin) * pitch;
      var row4 = base + ((kh * 5u + u32(abs(4 - leftmost))) * g.inputs + begin) * pitch;
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
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
        let own0 = w[row0];
        let w0_0 = quadBroadcast(own0, 0u);
        let w0_1 = quadBroadcast(own0, 1u);
        let w0_2 = quadBroadcast(own0, 2u);
        let w0_3 = quadBroadcast(own0, 3u);
        let own1 = w[row1];
        let w1_0 = quadBroadcast(own1, 0u);
        let w1_1 = quadBroadcast(own1, 1u);
        let w1_2 = quadBroadcast(own1, 2u);
        let w1_3 = quadBroadcast(own1, 3u);
        let own2 = w[row2];
        let w2_0 = quadBroadcast(own2, 0u);
        let w2_1 = quadBroadcast(own2, 1u);
        let w2_2 = quadBroadcast(own2, 2u);
        let w2_3 = quadBroadcast(own2, 3u);
        let own3 = w[row3];
        let w3_0 = quadBroadcast(own3, 0u);
        let w3_1 = quadBroadcast(own3, 1u);
        let w3_2 = quadBroadcast(own3, 2u);
        let w3_3 = quadBroadcast(own3, 3u);
        let own4 = w[row4];
        let w4_0 = quadBroadcast(own4, 0u);
        let w4_1 = quadBroadcast(own4, 1u);
        let w4_2 = quadBroadcast(own4, 2u);
        let w4_3 = quadBroadcast(own4, 3u);
        let x0 = select(0.0, x[at0 + channel], in0);
        let x1 = select(0.0, x[at1 + channel], in1);
        let x2 = select(0.0, x[at2 + channel], in2);
        let x3 = select(0.0, x[at3 + channel], in3);
        let x4 = select(0.0, x[at4 + channel], in4);
        let x5 = select(0.0, x[at5 + channel], in5);
        t0_0 = fma(vec4f(x0), w0_0, t0_0);
        t0_1 = fma(vec4f(x0), w0_1, t0_1);
        t0_2 = fma(vec4f(x0), w0_2, t0_2);
        t0_3 = fma(vec4f(x0), w0_3, t0_3);
        t0_0 = fma(vec4f(x1), w1_0, t0_0);
        t0_1 = fma(vec4f(x1), w1_1, t0_1);
        t0_2 = fma(vec4f(x1), w1_2, t0_2);
        t0_3 = fma(vec4f(x1), w1_3, t0_3);
        t0_0 = fma(vec4f(x2), w2_0, t0_0);
        t0_1 = fma(vec4f(x2), w2_1, t0_1);
        t0_2 = fma(vec4f(x2), w2_2, t0_2);
        t0_3 = fma(vec4f(x2), w2_3, t0_3);
        t0_0 = fma(vec4f(x3), w3_0, t0_0);
        t0_1 = fma(vec4f(x3), w3_1, t0_1);
        t0_2 = fma(vec4f(x3), w3_2, t0_2);
        t0_3 = fma(vec4f(x3), w3_3, t0_3);
        t0_0 = fma(vec4f(x4), w4_0, t0_0);
        t0_1 = fma(vec4f(x4), w4_1, t0_1);
        t0_2 = fma(vec4f(x4), w4_2, t0_2);
        t0_3 = fma(vec4f(x4), w4_3, t0_3);
        let x6 = select(0.0, x[at6 + channel], in6);
        t1_0 = fma(vec4f(x1), w0_0, t1_0);
        t1_1 = fma(vec4f(x1), w0_1, t1_1);
        t1_2 = fma(vec4f(x1), w0_2, t1_2);
        t1_3 = fma(vec4f(x1), w0_3, t1_3);
        t1_0 = fma(vec4f(x2), w1_0, t1_0);
        t1_1 = fma(vec4f(x2), w1_1, t1_1);
        t1_2 = fma(vec4f(x2), w1_2, t1_2);
        t1_3 = fma(vec4f(x2), w1_3, t1_3);
        t1_0 = fma(vec4f(x3), w2_0, t1_0);
        t1_1 = fma(vec4f(x3), w2_1, t1_1);
        t1_2 = fma(vec4f(x3), w2_2, t1_2);
        t1_3 = fma(vec4f(x3), w2_3, t1_3);
        t1_0 = fma(vec4f(x4), w3_0, t1_0);
        t1_1 = fma(vec4f(x4), w3_1, t1_1);
        t1_2 = fma(vec4f(x4), w3_2, t1_2);
        t1_3 = fma(vec4f(x4), w3_3, t1_3);
        t1_0 = fma(vec4f(x5), w4_0, t1_0);
        t1_1 = fma(vec4f(x5), w4_1, t1_1);
        t1_2 = fma(vec4f(x5), w4_2, t1_2);
        t1_3 = fma(vec4f(x5), w4_3, t1_3);
        let x7 = select(0.0, x[at7 + channel], in7);
        t2_0 = fma(vec4f(x2), w0_0, t2_0);
        t2_1 = fma(vec4f(x2), w0_1, t2_1);
        t2_2 = fma(vec4f(x2), w0_2, t2_2);
        t2_3 = fma(vec4f(x2), w0_3, t2_3);
        t2_0 = fma(vec4f(x3), w1_0, t2_0);
        t2_1 = fma(vec4f(x3), w1_1, t2_1);
        t2_2 = fma(vec4f(x3), w1_2, t2_2);
        t2_3 = fma(vec4f(x3), w1_3, t2_3);
        t2_0 = fma(vec4f(x4), w2_0, t2_0);
        t2_1 = fma(vec4f(x4), w2_1, t2_1);
        t2_2 = fma(vec4f(x4), w2_2, t2_2);
        t2_3 = fma(vec4f(x4), w2_3, t2_3);
        t2_0 = fma(vec4f(x5), w3_0, t2_0);
        t2_1 = fma(vec4f(x5), w3_1, t2_1);
        t2_2 = fma(vec4f(x5), w3_2, t2_2);
        t2_3 = fma(vec4f(x5), w3_3, t2_3);
        t2_0 = fma(vec4f(x6), w4_0, t2_0);
        t2_1 = fma(vec4f(x6), w4_1, t2_1);
        t2_2 = fma(vec4f(x6), w4_2, t2_2);
        t2_3 = fma(vec4f(x6), w4_3, t2_3);
        t3_0 = fma(vec4f(x3), w0_0, t3_0);
        t3_1 = fma(vec4f(x3), w0_1, t3_1);
        t3_2 = fma(vec4f(x3), w0_2, t3_2);
        t3_3 = fma(vec4f(x3), w0_3, t3_3);
        t3_0 = fma(vec4f(x4), w1_0, t3_0);
        t3_1 = fma(vec4f(x4), w1_1, t3_1);
        t3_2 = fma(vec4f(x4), w1_2, t3_2);
        t3_3 = fma(vec4f(x4), w1_3, t3_3);
        t3_0 = fma(vec4f(x5), w2_0, t3_0);
        t3_1 = fma(vec4f(x5), w2_1, t3_1);
        t3_2 = fma(vec4f(x5), w2_2, t3_2);
        t3_3 = fma(vec4f(x5), w2_3, t3_3);
        t3_0 = fma(vec4f(x6), w3_0, t3_0);
        t3_1 = fma(vec4f(x6), w3_1, t3_1);
        t3_2 = fma(vec4f(x6), w3_2, t3_2);
        t3_3 = fma(vec4f(x6), w3_3, t3_3);
        t3_0 = fma(vec4f(x7), w4_0, t3_0);
        t3_1 = fma(vec4f(x7), w4_1, t3_1);
        t3_2 = fma(vec4f(x7), w4_2, t3_2);
        t3_3 = fma(vec4f(x7), w4_3, t3_3);
        row0 += pitch;
        row1 += pitch;
        row2 += pitch;
        row3 += pitch;
        row4 += pitch;
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
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 4>, 16>(
    array<f32, 4>(s0_0.x, s1_0.x, s2_0.x, s3_0.x),
    array<f32, 4>(s0_0.y, s1_0.y, s2_0.y, s3_0.y),
    array<f32, 4>(s0_0.z, s1_0.z, s2_0.z, s3_0.z),
    array<f32, 4>(s0_0.w, s1_0.w, s2_0.w, s3_0.w),
    array<f32, 4>(s0_1.x, s1_1.x, s2_1.x, s3_1.x),
    array<f32, 4>(s0_1.y, s1_1.y, s2_1.y, s3_1.y),
    array<f32, 4>(s0_1.z, s1_1.z, s2_1.z, s3_1.z),
    array<f32, 4>(s0_1.w, s1_1.w, s2_1.w, s3_1.w),
    array<f32, 4>(s0_2.x, s1_2.x, s2_2.x, s3_2.x),
    array<f32, 4>(s0_2.y, s1_2.y, s2_2.y, s3_2.y),
    array<f32, 4>(s0_2.z, s1_2.z, s2_2.z, s3_2.z),
    array<f32, 4>(s0_2.w, s1_2.w, s2_2.w, s3_2.w),
    array<f32, 4>(s0_3.x, s1_3.x, s2_3.x, s3_3.x),
    array<f32, 4>(s0_3.y, s1_3.y, s2_3.y, s3_3.y),
    array<f32, 4>(s0_3.z, s1_3.z, s2_3.z, s3_3.z),
    array<f32, 4>(s0_3.w, s1_3.w, s2_3.w, s3_3.w),
  );
  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
  let to0 = origin + min(0u, last) * g.yStrideWidth;
  let to1 = origin + min(1u, last) * g.yStrideWidth;
  let to2 = origin + min(2u, last) * g.yStrideWidth;
  let to3 = origin + min(3u, last) * g.yStrideWidth;
  let f = finishing();
  for (var o = 0u; o < min(16u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
    }
    if ((lane < count) & (0u <= last)) {
      y[to0 + up] = v0;
    }
    if ((lane < count) & (1u <= last)) {
      y[to1 + up] = v1;
    }
    if ((lane < count) & (2u <= last)) {
      y[to2 + up] = v2;
    }
    if ((lane < count) & (3u <= last)) {
      y[to3 + up] = v3;
    }
  }
}

// 8 adjacent pixels of a row x 4 output channels, of a window 3 wide.
@compute @workgroup_size(32)
fn row8x4of3(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + 7u) / 8u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / 4u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 4u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * 8u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, 2 * g.xStepWidth);
  let leftmost = select(0, 2, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  var s4_0 = vec4f();
  var s5_0 = vec4f();
  var s6_0 = vec4f();
  var s7_0 = vec4f();
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * 3u * g.inputs * pitch + first / 4u;
  for (var begin = 0u; begin < g.inputs; begin += 32u) {
    let end = min(begin + 32u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
      let in0 = inside & (u32(left + 0) < u32(g.xWidth));
      let in1 = inside & (u32(left + 1) < u32(g.xWidth));
      let in2 = inside & (u32(left + 2) < u32(g.xWidth));
      let in3 = inside & (u32(left + 3) < u32(g.xWidth));
      let in4 = inside & (u32(left + 4) < u32(g.xWidth));
      let in5 = inside & (u32(left + 5) < u32(g.xWidth));
      let in6 = inside & (u32(left + 6) < u32(g.xWidth));
      let in7 = inside & (u32(left + 7) < u32(g.xWidth));
      let in8 = inside & (u32(left + 8) < u32(g.xWidth));
      let in9 = inside & (u32(left + 9) < u32(g.xWidth));
      let at0 = select(0u, line + u32(left + 0), in0);
      let at1 = select(0u, line + u32(left + 1), in1);
      let at2 = select(0u, line + u32(left + 2), in2);
      let at3 = select(0u, line + u32(left + 3), in3);
      let at4 = select(0u, line + u32(left + 4), in4);
      let at5 = select(0u, line + u32(left + 5), in5);
      let at6 = select(0u, line + u32(left + 6), in6);
      let at7 = select(0u, line + u32(left + 7), in7);
      let at8 = select(0u, line + u32(left + 8), in8);
      let at9 = select(0u, line + u32(left + 9), in9);
      let tap = abs(i32(min(member & 3u, 2u)) - leftmost);
      var row0 = base + ((kh * 3u + u32(tap)) * g.inputs + begin) * pitch;
      var t0_0 = vec4f();
      var t1_0 = vec4f();
      var t2_0 = vec4f();
      var t3_0 = vec4f();
      var t4_0 = vec4f();
      var t5_0 = vec4f();
      var t6_0 = vec4f();
      var t7_0 = vec4f();
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
        let own0 = w[row0];
        let w0_0 = quadBroadcast(own0, 0u);
        let w1_0 = quadBroadcast(own0, 1u);
        let w2_0 = quadBroadcast(own0, 2u);
        let x0 = select(0.0, x[at0 + channel], in0);
        let x1 = select(0.0, x[at1 + channel], in1);
        let x2 = select(0.0, x[at2 + channel], in2);
        let x3 = select(0.0, x[at3 + channel], in3);
        t0_0 = fma(vec4f(x0), w0_0, t0_0);
        t0_0 = fma(vec4f(x1), w1_0, t0_0);
        t0_0 = fma(vec4f(x2), w2_0, t0_0);
        let x4 = select(0.0, x[at4 + channel], in4);
        t1_0 = fma(vec4f(x1), w0_0, t1_0);
        t1_0 = fma(vec4f(x2), w1_0, t1_0);
        t1_0 = fma(vec4f(x3), w2_0, t1_0);
        let x5 = select(0.0, x[at5 + channel], in5);
        t2_0 = fma(vec4f(x2), w0_0, t2_0);
        t2_0 = fma(vec4f(x3), w1_0, t2_0);
        t2_0 = fma(vec4f(x4), w2_0, t2_0);
        let x6 = select(0.0, x[at6 + channel], in6);
        t3_0 = fma(vec4f(x3), w0_0, t3_0);
        t3_0 = fma(vec4f(x4), w1_0, t3_0);
        t3_0 = fma(vec4f(x5), w2_0, t3_0);
        let x7 = select(0.0, x[at7 + channel], in7);
        t4_0 = fma(vec4f(x4), w0_0, t4_0);
        t4_0 = fma(vec4f(x5), w1_0, t4_0);
        t4_0 = fma(vec4f(x6), w2_0, t4_0);
        let x8 = select(0.0, x[at8 + channel], in8);
        t5_0 = fma(vec4f(x5), w0_0, t5_0);
        t5_0 = fma(vec4f(x6), w1_0, t5_0);
        t5_0 = fma(vec4f(x7), w2_0, t5_0);
        let x9 = select(0.0, x[at9 + channel], in9);
        t6_0 = fma(vec4f(x6), w0_0, t6_0);
        t6_0 = fma(vec4f(x7), w1_0, t6_0);
        t6_0 = fma(vec4f(x8), w2_0, t6_0);
        t7_0 = fma(vec4f(x7), w0_0, t7_0);
        t7_0 = fma(vec4f(x8), w1_0, t7_0);
        t7_0 = fma(vec4f(x9), w2_0, t7_0);
        row0 += pitch;
      }
      s0_0 += t0_0;
      s1_0 += t1_0;
      s2_0 += t2_0;
      s3_0 += t3_0;
      s4_0 += t4_0;
      s5_0 += t5_0;
      s6_0 += t6_0;
      s7_0 += t7_0;
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 8>, 4>(
    array<f32, 8>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x, s7_0.x),
    array<f32, 8>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y, s7_0.y),
    array<f32, 8>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z, s7_0.z),
    array<f32, 8>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w, s7_0.w),
  );
  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
  let to0 = origin + min(0u, last) * g.yStrideWidth;
  let to1 = origin + min(1u, last) * g.yStrideWidth;
  let to2 = origin + min(2u, last) * g.yStrideWidth;
  let to3 = origin + min(3u, last) * g.yStrideWidth;
  let to4 = origin + min(4u, last) * g.yStrideWidth;
  let to5 = origin + min(5u, last) * g.yStrideWidth;
  let to6 = origin + min(6u, last) * g.yStrideWidth;
  let to7 = origin + min(7u, last) * g.yStrideWidth;
  let f = finishing();
  for (var o = 0u; o < min(4u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    var v4 = signed(column[4] + bias, f);
    var v5 = signed(column[5] + bias, f);
    var v6 = signed(column[6] + bias, f);
    var v7 = signed(column[7] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
      v4 = passed(v4, to4 + up, f);
      v5 = passed(v5, to5 + up, f);
      v6 = passed(v6, to6 + up, f);
      v7 = passed(v7, to7 + up, f);
    }
    if ((lane < count) & (0u <= last)) {
      y[to0 + up] = v0;
    }
    if ((lane < count) & (1u <= last)) {
      y[to1 + up] = v1;
    }
    if ((lane < count) & (2u <= last)) {
      y[to2 + up] = v2;
    }
    if ((lane < count) & (3u <= last)) {
      y[to3 + up] = v3;
    }
    if ((lane < count) & (4u <= last)) {
      y[to4 + up] = v4;
    }
    if ((lane < count) & (5u <= last)) {
      y[to5 + up] = v5;
    }
    if ((lane < count) & (6u <= last)) {
      y[to6 + up] = v6;
    }
    if ((lane < count) & (7u <= last)) {
      y[to7 + up] = v7;
    }
  }
}

// 8 adjacent pixels of a row x 4 output channels, of a window 4 wide.
@compute @workgroup_size(32)
fn row8x4of4(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + 7u) / 8u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / 4u;
  let index = (group.y * groups.x + group.x) * 32u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * 4u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * 8u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, 3 * g.xStepWidth);
  let leftmost = select(0, 3, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
  var s0_0 = vec4f();
  var s1_0 = vec4f();
  var s2_0 = vec4f();
  var s3_0 = vec4f();
  var s4_0 = vec4f();
  var s5_0 = vec4f();
  var s6_0 = vec4f();
  var s7_0 = vec4f();
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * 4u * g.inputs * pitch + first / 4u;
  for (var begin = 0u; begin < g.inputs; begin += 32u) {
    let end = min(begin + 32u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
      let in0 = inside & (u32(left + 0) < u32(g.xWidth));
      let in1 = inside & (u32(left + 1) < u32(g.xWidth));
      let in2 = inside & (u32(left + 2) < u32(g.xWidth));
      let in3 = inside & (u32(left + 3) < u32(g.xWidth));
      let in4 = inside & (u32(left + 4) < u32(g.xWidth));
      let in5 = inside & (u32(left + 5) < u32(g.xWidth));
      let in6 = inside & (u32(left + 6) < u32(g.xWidth));
      let in7 = inside & (u32(left + 7) < u32(g.xWidth));
      let in8 = inside & (u32(left + 8) < u32(g.xWidth));
      let in9 = inside & (u32(left + 9) < u32(g.xWidth));
      let in10 = inside & (u32(left + 10) < u32(g.xWidth));
      let at0 = select(0u, line + u32(left + 0), in0);
      let at1 = select(0u, line + u32(left + 1), in1);
      let at2 = select(0u, line + u32(left + 2), in2);
      let at3 = select(0u, line + u32(left + 3), in3);
      let at4 = select(0u, line + u32(left + 4), in4);
      let at5 = select(0u, line + u32(left + 5), in5);
      let at6 = select(0u, line + u32(left + 6), in6);
      let at7 = select(0u, line + u32(left + 7), in7);
      let at8 = select(0u, line + u32(left + 8), in8);
      let at9 = select(0u, line + u32(left + 9), in9);
      let at10 = select(0u, line + u32(left + 10), in10);
      let tap = abs(i32(min(member & 3u, 3u)) - leftmost);
      var row0 = base + ((kh * 4u + u32(tap)) * g.inputs + begin) * pitch;
      var t0_0 = vec4f();
      var t1_0 = vec4f();
      var t2_0 = vec4f();
      var t3_0 = vec4f();
      var t4_0 = vec4f();
      var t5_0 = vec4f();
      var t6_0 = vec4f();
      var t7_0 = vec4f();
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
        let own0 = w[row0];
        let w0_0 = quadBroadcast(own0, 0u);
        let w1_0 = quadBroadcast(own0, 1u);
        let w2_0 = quadBroadcast(own0, 2u);
        let w3_0 = quadBroadcast(own0, 3u);
        let x0 = select(0.0, x[at0 + channel], in0);
        let x1 = select(0.0, x[at1 + channel], in1);
        let x2 = select(0.0, x[at2 + channel], in2);
        let x3 = select(0.0, x[at3 + channel], in3);
        let x4 = select(0.0, x[at4 + channel], in4);
        t0_0 = fma(vec4f(x0), w0_0, t0_0);
        t0_0 = fma(vec4f(x1), w1_0, t0_0);
        t0_0 = fma(vec4f(x2), w2_0, t0_0);
        t0_0 = fma(vec4f(x3), w3_0, t0_0);
        let x5 = select(0.0, x[at5 + channel], in5);
        t1_0 = fma(vec4f(x1), w0_0, t1_0);
        t1_0 = fma(vec4f(x2), w1_0, t1_0);
        t1_0 = fma(vec4f(x3), w2_0, t1_0);
        t1_0 = fma(vec4f(x4), w3_0, t1_0);
        let x6 = select(0.0, x[at6 + channel], in6);
        t2_0 = fma(vec4f(x2), w0_0, t2_0);
        t2_0 = fma(vec4f(x3), w1_0, t2_0);
        t2_0 = fma(vec4f(x4), w2_0, t2_0);
        t2_0 = fma(vec4f(x5), w3_0, t2_0);
        let x7 = select(0.0, x[at7 + channel], in7);
        t3_0 = fma(vec4f(x3), w0_0, t3_0);
        t3_0 = fma(vec4f(x4), w1_0, t3_0);
        t3_0 = fma(vec4f(x5), w2_0, t3_0);
        t3_0 = fma(vec4f(x6), w3_0, t3_0);
        let x8 = select(0.0, x[at8 + channel], in8);
        t4_0 = fma(vec4f(x4), w0_0, t4_0);
        t4_0 = fma(vec4f(x5), w1_0, t4_0);
        t4_0 = fma(vec4f(x6), w2_0, t4_0);
        t4_0 = fma(vec4f(x7), w3_0, t4_0);
        let x9 = select(0.0, x[at9 + channel], in9);
        t5_0 = fma(vec4f(x5), w0_0, t5_0);
        t5_0 = fma(vec4f(x6), w1_0, t5_0);
        t5_0 = fma(vec4f(x7), w2_0, t5_0);
        t5_0 = fma(vec4f(x8), w3_0, t5_0);
        let x10 = select(0.0, x[at10 + channel], in10);
        t6_0 = fma(vec4f(x6), w0_0, t6_0);
        t6_0 = fma(vec4f(x7), w1_0, t6_0);
        t6_0 = fma(vec4f(x8), w2_0, t6_0);
        t6_0 = fma(vec4f(x9), w3_0, t6_0);
        t7_0 = fma(vec4f(x7), w0_0, t7_0);
        t7_0 = fma(vec4f(x8), w1_0, t7_0);
        t7_0 = fma(vec4f(x9), w2_0, t7_0);
        t7_0 = fma(vec4f(x10), w3_0, t7_0);
        row0 += pitch;
      }
      s0_0 += t0_0;
      s1_0 += t1_0;
      s2_0 += t2_0;
      s3_0 += t3_0;
      s4_0 += t4_0;
      s5_0 += t5_0;
      s6_0 += t6_0;
      s7_0 += t7_0;
    }
  }
  if (item >= g.groups) {
    return;
  }
  let sums = array<array<f32, 8>, 4>(
    array<f32, 8>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x, s7_0.x),
    array<f32, 8>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y, s7_0.y),
    array<f32, 8>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z, s7_0.z),
    array<f32, 8>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w, s7_0.w),
  );
  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
  let to0 = origin + min(0u, last) * g.yStrideWidth;
  let to1 = origin + min(1u, last) * g.yStrideWidth;
  let to2 = origin + min(2u, last) * g.yStrideWidth;
  let to3 = origin + min(3u, last) * g.yStrideWidth;
  let to4 = origin + min(4u, last) * g.yStrideWidth;
  let to5 = origin + min(5u, last) * g.yStrideWidth;
  let to6 = origin + min(6u, last) * g.yStrideWidth;
  let to7 = origin + min(7u, last) * g.yStrideWidth;
  let f = finishing();
  for (var o = 0u; o < min(4u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
    var v0 = signed(column[0] + bias, f);
    var v1 = signed(column[1] + bias, f);
    var v2 = signed(column[2] + bias, f);
    var v3 = signed(column[3] + bias, f);
    var v4 = signed(column[4] + bias, f);
    var v5 = signed(column[5] + bias, f);
    var v6 = signed(column[6] + bias, f);
    var v7 = signed(column[7] + bias, f);
    for (var gated = f.gated; gated; gated = false) {
      v0 = passed(v0, to0 + up, f);
      v1 = passed(v1, to1 + up, f);
      v2 = passed(v2, to2 + up, f);
      v3 = passed(v3, to3 + up, f);
      v4 = passed(v4, to4 + up, f);
      v5 = passed(v5, to5 + up, f);
      v6 = passed(v6, to6 + up, f);
      v7 = passed(v7, to7 + up, f);
    }
    if ((lane < count) & (0u <= last)) {
      y[to0 + up] = v0;
    }
    if ((lane < count) & (1u <= last)) {
      y[to1 + up] = v1;
    }
    if ((lane < count) & (2u <= last)) {
      y[to2 + up] = v2;
    }
    if ((lane < count) & (3u <= last)) {
      y[to3 + up] = v3;
    }
    if ((lane < count) & (4u <= last)) {
      y[to4 + up] = v4;
    }
    if ((lane < count) & (5u <= last)) {
      y[to5 + up] = v5;
    }
    if ((lane < count) & (6u <= last)) {
      y[to6 + up] = v6;
    }
    if ((lane < count) & (7u <= last)) {
      y[to7 + up] = v7;
    }
  }
}
