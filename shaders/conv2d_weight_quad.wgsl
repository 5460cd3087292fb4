// 2-D convolution, backward to the weights, in register tiles for devices with subgroups. Written by generate.mjs from conv2d_weight.wgsl,
// which holds the equation, the shapes and the conventions; do not edit.
//
// An invocation computes output channels x columns of dw seen as [outputs, inputs * taps], over one slab of the rows of dy. Columns are cut
// into strips of `lanes`; the four invocations of a quad need the same values of dy, load a quarter each and broadcast it.
// The result is the same to the bit, for numbers: where x lies outside, zero is multiplied and added.

enable subgroups;

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
  slabRows: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

// 16 output channels x 8 columns.
@compute @workgroup_size(16)
fn quad16x8(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  // index = (((slab * groups + part) * outputTiles + outputTile) * lanes + lane
  let taps = g.kernelHeight * g.kernelWidth;
  let columns = g.inputs * taps;
  let lanes = (columns + 31u) / 32u * 4u;
  let outputTiles = (g.outputs + 15u) / 16u;
  let index = (group.y * groups.x + group.x) * 16u + local;
  let lane = index % lanes;
  let o = index / lanes % outputTiles * 16u;
  let part = index / (lanes * outputTiles) % g.groups;
  let slab = index / (lanes * outputTiles * g.groups);
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let column0 = min(lane + 0u * lanes, columns - 1u);
  let column1 = min(lane + 1u * lanes, columns - 1u);
  let column2 = min(lane + 2u * lanes, columns - 1u);
  let column3 = min(lane + 3u * lanes, columns - 1u);
  let column4 = min(lane + 4u * lanes, columns - 1u);
  let column5 = min(lane + 5u * lanes, columns - 1u);
  let column6 = min(lane + 6u * lanes, columns - 1u);
  let column7 = min(lane + 7u * lanes, columns - 1u);
  let top0 = i32(column0 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top1 = i32(column1 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top2 = i32(column2 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top3 = i32(column3 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top4 = i32(column4 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top5 = i32(column5 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top6 = i32(column6 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let top7 = i32(column7 % taps / g.kernelWidth) * g.dilationHeight - g.padTop;
  let left0 = i32(column0 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left1 = i32(column1 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left2 = i32(column2 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left3 = i32(column3 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left4 = i32(column4 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left5 = i32(column5 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left6 = i32(column6 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let left7 = i32(column7 % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;
  let plane0 = i32(column0 / taps) * xPlane;
  let plane1 = i32(column1 / taps) * xPlane;
  let plane2 = i32(column2 / taps) * xPlane;
  let plane3 = i32(column3 / taps) * xPlane;
  let plane4 = i32(column4 / taps) * xPlane;
  let plane5 = i32(column5 / taps) * xPlane;
  let plane6 = i32(column6 / taps) * xPlane;
  let plane7 = i32(column7 / taps) * xPlane;
  let m0 = min(o + 0u + (member & 3u), g.outputs - 1u) * yPlane;
  let m1 = min(o + 4u + (member & 3u), g.outputs - 1u) * yPlane;
  let m2 = min(o + 8u + (member & 3u), g.outputs - 1u) * yPlane;
  let m3 = min(o + 12u + (member & 3u), g.outputs - 1u) * yPlane;
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
  // As many turns for every slab, since a quad may hold none of its own: rows past the end count as outside x.
  let rows = g.batch * u32(g.yHeight);
  for (var turn = 0u; turn < g.slabRows; turn++) {
    let wanted = slab * g.slabRows + turn;
    let r = min(wanted, rows - 1u);
    let n = r / u32(g.yHeight);
    let oh = r % u32(g.yHeight);
    let down = i32(oh) * g.strideHeight;
    let image = i32((n * g.groups + part) * g.inputs) * xPlane + down * g.xWidth;
    let yRow = (n * g.groups + part) * g.outputs * yPlane + oh * u32(g.yWidth);
    let in0 = (wanted < rows) & (u32(down + top0) < u32(g.xHeight));
    let in1 = (wanted < rows) & (u32(down + top1) < u32(g.xHeight));
    let in2 = (wanted < rows) & (u32(down + top2) < u32(g.xHeight));
    let in3 = (wanted < rows) & (u32(down + top3) < u32(g.xHeight));
    let in4 = (wanted < rows) & (u32(down + top4) < u32(g.xHeight));
    let in5 = (wanted < rows) & (u32(down + top5) < u32(g.xHeight));
    let in6 = (wanted < rows) & (u32(down + top6) < u32(g.xHeight));
    let in7 = (wanted < rows) & (u32(down + top7) < u32(g.xHeight));
    let row0 = image + plane0 + top0 * g.xWidth + left0;
    let row1 = image + plane1 + top1 * g.xWidth + left1;
    let row2 = image + plane2 + top2 * g.xWidth + left2;
    let row3 = image + plane3 + top3 * g.xWidth + left3;
    let row4 = image + plane4 + top4 * g.xWidth + left4;
    let row5 = image + plane5 + top5 * g.xWidth + left5;
    let row6 = image + plane6 + top6 * g.xWidth + left6;
    let row7 = image + plane7 + top7 * g.xWidth + left7;
    for (var ow = 0; ow < g.yWidth; ow++) {
      let right = ow * g.strideWidth;
      let place = yRow + u32(ow);
      let ok0 = in0 & (u32(right + left0) < u32(g.xWidth));
      let ok1 = in1 & (u32(right + left1) < u32(g.xWidth));
      let ok2 = in2 & (u32(right + left2) < u32(g.xWidth));
      let ok3 = in3 & (u32(right + left3) < u32(g.xWidth));
      let ok4 = in4 & (u32(right + left4) < u32(g.xWidth));
      let ok5 = in5 & (u32(right + left5) < u32(g.xWidth));
      let ok6 = in6 & (u32(right + left6) < u32(g.xWidth));
      let ok7 = in7 & (u32(right + left7) < u32(g.xWidth));
      let x0 = select(0.0, x[select(0u, u32(row0 + right), ok0)], ok0);
      let x1 = select(0.0, x[select(0u, u32(row1 + right), ok1)], ok1);
      let x2 = select(0.0, x[select(0u, u32(row2 + right), ok2)], ok2);
      let x3 = select(0.0, x[select(0u, u32(row3 + right), ok3)], ok3);
      let x4 = select(0.0, x[select(0u, u32(row4 + right), ok4)], ok4);
      let x5 = select(0.0, x[select(0u, u32(row5 + right), ok5)], ok5);
      let x6 = select(0.0, x[select(0u, u32(row6 + right), ok6)], ok6);
      let x7 = select(0.0, x[select(0u, u32(row7 + right), ok7)], ok7);
      let q0 = dy[m0 + place];
      let q1 = dy[m1 + place];
      let q2 = dy[m2 + place];
      let q3 = dy[m3 + place];
      let w0 = vec4f(quadBroadcast(q0, 0u), quadBroadcast(q0, 1u), quadBroadcast(q0, 2u), quadBroadcast(q0, 3u));
      let w1 = vec4f(quadBroadcast(q1, 0u), quadBroadcast(q1, 1u), quadBroadcast(q1, 2u), quadBroadcast(q1, 3u));
      let w2 = vec4f(quadBroadcast(q2, 0u), quadBroadcast(q2, 1u), quadBroadcast(q2, 2u), quadBroadcast(q2, 3u));
      let w3 = vec4f(quadBroadcast(q3, 0u), quadBroadcast(q3, 1u), quadBroadcast(q3, 2u), quadBroadcast(q3, 3u));
      s0_0 = fma(vec4f(x0), w0, s0_0);
      s0_1 = fma(vec4f(x0), w1, s0_1);
      s0_2 = fma(vec4f(x0), w2, s0_2);
      s0_3 = fma(vec4f(x0), w3, s0_3);
      s1_0 = fma(vec4f(x1), w0, s1_0);
      s1_1 = fma(vec4f(x1), w1, s1_1);
      s1_2 = fma(vec4f(x1), w2, s1_2);
      s1_3 = fma(vec4f(x1), w3, s1_3);
      s2_0 = fma(vec4f(x2), w0, s2_0);
      s2_1 = fma(vec4f(x2), w1, s2_1);
      s2_2 = fma(vec4f(x2), w2, s2_2);
      s2_3 = fma(vec4f(x2), w3, s2_3);
      s3_0 = fma(vec4f(x3), w0, s3_0);
      s3_1 = fma(vec4f(x3), w1, s3_1);
      s3_2 = fma(vec4f(x3), w2, s3_2);
      s3_3 = fma(vec4f(x3), w3, s3_3);
      s4_0 = fma(vec4f(x4), w0, s4_0);
      s4_1 = fma(vec4f(x4), w1, s4_1);
      s4_2 = fma(vec4f(x4), w2, s4_2);
      s4_3 = fma(vec4f(x4), w3, s4_3);
      s5_0 = fma(vec4f(x5), w0, s5_0);
      s5_1 = fma(vec4f(x5), w1, s5_1);
      s5_2 = fma(vec4f(x5), w2, s5_2);
      s5_3 = fma(vec4f(x5), w3, s5_3);
      s6_0 = fma(vec4f(x6), w0, s6_0);
      s6_1 = fma(vec4f(x6), w1, s6_1);
      s6_2 = fma(vec4f(x6), w2, s6_2);
      s6_3 = fma(vec4f(x6), w3, s6_3);
      s7_0 = fma(vec4f(x7), w0, s7_0);
      s7_1 = fma(vec4f(x7), w1, s7_1);
      s7_2 = fma(vec4f(x7), w2, s7_2);
      s7_3 = fma(vec4f(x7), w3, s7_3);
    }
  }
  if (slab >= g.slabs) {
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
  for (var i = 0u; i < min(16u, g.outputs - o); i++) {
    let row = sums[i];
    let to = ((slab * g.groups + part) * g.outputs + o + i) * columns + lane;
    if (lane + 0u * lanes < columns) {
      partial[to + 0u * lanes] = row[0];
    }
    if (lane + 1u * lanes < columns) {
      partial[to + 1u * lanes] = row[1];
    }
    if (lane + 2u * lanes < columns) {
      partial[to + 2u * lanes] = row[2];
    }
    if (lane + 3u * lanes < columns) {
      partial[to + 3u * lanes] = row[3];
    }
    if (lane + 4u * lanes < columns) {
      partial[to + 4u * lanes] = row[4];
    }
    if (lane + 5u * lanes < columns) {
      partial[to + 5u * lanes] = row[5];
    }
    if (lane + 6u * lanes < columns) {
      partial[to + 6u * lanes] = row[6];
    }
    if (lane + 7u * lanes < columns) {
      partial[to + 7u * lanes] = row[7];
    }
  }
}

// 8 output channels x 3 rows of three taps, of a window three wide that moves along rows by one. A turn takes two columns of dy.
@compute @workgroup_size(16)
fn rows8x9(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  // index = (((slab * groups + part) * outputTiles + outputTile) * lanes + lane
  let count = g.inputs * g.kernelHeight;
  let lanes = (count + 11u) / 12u * 4u;
  let outputTiles = (g.outputs + 7u) / 8u;
  let index = (group.y * groups.x + group.x) * 16u + local;
  let lane = index % lanes;
  let o = index / lanes % outputTiles * 8u;
  let part = index / (lanes * outputTiles) % g.groups;
  let slab = index / (lanes * outputTiles * g.groups);
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let pair0 = min(lane + 0u * lanes, count - 1u);
  let pair1 = min(lane + 1u * lanes, count - 1u);
  let pair2 = min(lane + 2u * lanes, count - 1u);
  let top0 = i32(pair0 % g.kernelHeight) * g.dilationHeight - g.padTop;
  let top1 = i32(pair1 % g.kernelHeight) * g.dilationHeight - g.padTop;
  let top2 = i32(pair2 % g.kernelHeight) * g.dilationHeight - g.padTop;
  let plane0 = i32(pair0 / g.kernelHeight) * xPlane;
  let plane1 = i32(pair1 / g.kernelHeight) * xPlane;
  let plane2 = i32(pair2 / g.kernelHeight) * xPlane;
  let left = -g.padLeft;
  let m0 = min(o + 0u + (member & 3u), g.outputs - 1u) * yPlane;
  let m1 = min(o + 4u + (member & 3u), g.outputs - 1u) * yPlane;
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
  var s8_0 = vec4f();
  var s8_1 = vec4f();
  // As many turns for every slab, since a quad may hold none of its own: rows past the end count as outside x.
  let rows = g.batch * u32(g.yHeight);
  for (var turn = 0u; turn < g.slabRows; turn++) {
    let wanted = slab * g.slabRows + turn;
    let r = min(wanted, rows - 1u);
    let n = r / u32(g.yHeight);
    let oh = r % u32(g.yHeight);
    let down = i32(oh) * g.strideHeight;
    let image = i32((n * g.groups + part) * g.inputs) * xPlane + down * g.xWidth;
    let yRow = (n * g.groups + part) * g.outputs * yPlane + oh * u32(g.yWidth);
    let in0 = (wanted < rows) & (u32(down + top0) < u32(g.xHeight));
    let in1 = (wanted < rows) & (u32(down + top1) < u32(g.xHeight));
    let in2 = (wanted < rows) & (u32(down + top2) < u32(g.xHeight));
    let row0 = image + plane0 + top0 * g.xWidth;
    let row1 = image + plane1 + top1 * g.xWidth;
    let row2 = image + plane2 + top2 * g.xWidth;
    let ok0_0 = in0 & (u32(left + 0) < u32(g.xWidth));
    var kept0_0 = select(0.0, x[select(0u, u32(row0 + left + 0), ok0_0)], ok0_0);
    let ok0_1 = in0 & (u32(left + 1) < u32(g.xWidth));
    var kept0_1 = select(0.0, x[select(0u, u32(row0 + left + 1), ok0_1)], ok0_1);
    let ok1_0 = in1 & (u32(left + 0) < u32(g.xWidth));
    var kept1_0 = select(0.0, x[select(0u, u32(row1 + left + 0), ok1_0)], ok1_0);
    let ok1_1 = in1 & (u32(left + 1) < u32(g.xWidth));
    var kept1_1 = select(0.0, x[select(0u, u32(row1 + left + 1), ok1_1)], ok1_1);
    let ok2_0 = in2 & (u32(left + 0) < u32(g.xWidth));
    var kept2_0 = select(0.0, x[select(0u, u32(row2 + left + 0), ok2_0)], ok2_0);
    let ok2_1 = in2 & (u32(left + 1) < u32(g.xWidth));
    var kept2_1 = select(0.0, x[select(0u, u32(row2 + left + 1), ok2_1)], ok2_1);
    for (var ow = 0; ow < g.yWidth; ow += 2) {
      let right = ow + left;
      let more = ow + 1 < g.yWidth;
      let place0 = yRow + u32(ow);
      let place1 = select(place0, place0 + 1u, more);
      let ok0_2 = in0 & (u32(right + 2) < u32(g.xWidth));
      let x0_2 = select(0.0, x[select(0u, u32(row0 + right + 2), ok0_2)], ok0_2);
      let ok1_2 = in1 & (u32(right + 2) < u32(g.xWidth));
      let x1_2 = select(0.0, x[select(0u, u32(row1 + right + 2), ok1_2)], ok1_2);
      let ok2_2 = in2 & (u32(right + 2) < u32(g.xWidth));
      let x2_2 = select(0.0, x[select(0u, u32(row2 + right + 2), ok2_2)], ok2_2);
      let own0_0 = dy[m0 + place0];
      let own0_1 = dy[m1 + place0];
      let d0_0 = vec4f(quadBroadcast(own0_0, 0u), quadBroadcast(own0_0, 1u), quadBroadcast(own0_0, 2u), quadBroadcast(own0_0, 3u));
      let d0_1 = vec4f(quadBroadcast(own0_1, 0u), quadBroadcast(own0_1, 1u), quadBroadcast(own0_1, 2u), quadBroadcast(own0_1, 3u));
      s0_0 = fma(vec4f(kept0_0), d0_0, s0_0);
      s0_1 = fma(vec4f(kept0_0), d0_1, s0_1);
      s1_0 = fma(vec4f(kept0_1), d0_0, s1_0);
      s1_1 = fma(vec4f(kept0_1), d0_1, s1_1);
      s2_0 = fma(vec4f(x0_2), d0_0, s2_0);
      s2_1 = fma(vec4f(x0_2), d0_1, s2_1);
      s3_0 = fma(vec4f(kept1_0), d0_0, s3_0);
      s3_1 = fma(vec4f(kept1_0), d0_1, s3_1);
      s4_0 = fma(vec4f(kept1_1), d0_0, s4_0);
      s4_1 = fma(vec4f(kept1_1), d0_1, s4_1);
      s5_0 = fma(vec4f(x1_2), d0_0, s5_0);
      s5_1 = fma(vec4f(x1_2), d0_1, s5_1);
      s6_0 = fma(vec4f(kept2_0), d0_0, s6_0);
      s6_1 = fma(vec4f(kept2_0), d0_1, s6_1);
      s7_0 = fma(vec4f(kept2_1), d0_0, s7_0);
      s7_1 = fma(vec4f(kept2_1), d0_1, s7_1);
      s8_0 = fma(vec4f(x2_2), d0_0, s8_0);
      s8_1 = fma(vec4f(x2_2), d0_1, s8_1);
      let ok0_3 = in0 & (u32(right + 3) < u32(g.xWidth));
      let x0_3 = select(0.0, x[select(0u, u32(row0 + right + 3), ok0_3)], ok0_3);
      let ok1_3 = in1 & (u32(right + 3) < u32(g.xWidth));
      let x1_3 = select(0.0, x[select(0u, u32(row1 + right + 3), ok1_3)], ok1_3);
      let ok2_3 = in2 & (u32(right + 3) < u32(g.xWidth));
      let x2_3 = select(0.0, x[select(0u, u32(row2 + right + 3), ok2_3)], ok2_3);
      let own1_0 = select(0.0, dy[m0 + place1], more);
      let own1_1 = select(0.0, dy[m1 + place1], more);
      let d1_0 = vec4f(quadBroadcast(own1_0, 0u), quadBroadcast(own1_0, 1u), quadBroadcast(own1_0, 2u), quadBroadcast(own1_0, 3u));
      let d1_1 = vec4f(quadBroadcast(own1_1, 0u), quadBroadcast(own1_1, 1u), quadBroadcast(own1_1, 2u), quadBroadcast(own1_1, 3u));
      s0_0 = fma(vec4f(kept0_1), d1_0, s0_0);
      s0_1 = fma(vec4f(kept0_1), d1_1, s0_1);
      s1_0 = fma(vec4f(x0_2), d1_0, s1_0);
      s1_1 = fma(vec4f(x0_2), d1_1, s1_1);
      s2_0 = fma(vec4f(x0_3), d1_0, s2_0);
      s2_1 = fma(vec4f(x0_3), d1_1, s2_1);
      s3_0 = fma(vec4f(kept1_1), d1_0, s3_0);
      s3_1 = fma(vec4f(kept1_1), d1_1, s3_1);
      s4_0 = fma(vec4f(x1_2), d1_0, s4_0);
      s4_1 = fma(vec4f(x1_2), d1_1, s4_1);
      s5_0 = fma(vec4f(x1_3), d1_0, s5_0);
      s5_1 = fma(vec4f(x1_3), d1_1, s5_1);
      s6_0 = fma(vec4f(kept2_1), d1_0, s6_0);
      s6_1 = fma(vec4f(kept2_1), d1_1, s6_1);
      s7_0 = fma(vec4f(x2_2), d1_0, s7_0);
      s7_1 = fma(vec4f(x2_2), d1_1, s7_1);
      s8_0 = fma(vec4f(x2_3), d1_0, s8_0);
      s8_1 = fma(vec4f(x2_3), d1_1, s8_1);
      kept0_0 = x0_2;
      kept0_1 = x0_3;
      kept1_0 = x1_2;
      kept1_1 = x1_3;
      kept2_0 = x2_2;
      kept2_1 = x2_3;
    }
  }
  if (slab >= g.slabs) {
    return;
  }
  let sums = array<array<f32, 9>, 8>(
    array<f32, 9>(s0_0.x, s1_0.x, s2_0.x, s3_0.x, s4_0.x, s5_0.x, s6_0.x, s7_0.x, s8_0.x),
    array<f32, 9>(s0_0.y, s1_0.y, s2_0.y, s3_0.y, s4_0.y, s5_0.y, s6_0.y, s7_0.y, s8_0.y),
    array<f32, 9>(s0_0.z, s1_0.z, s2_0.z, s3_0.z, s4_0.z, s5_0.z, s6_0.z, s7_0.z, s8_0.z),
    array<f32, 9>(s0_0.w, s1_0.w, s2_0.w, s3_0.w, s4_0.w, s5_0.w, s6_0.w, s7_0.w, s8_0.w),
    array<f32, 9>(s0_1.x, s1_1.x, s2_1.x, s3_1.x, s4_1.x, s5_1.x, s6_1.x, s7_1.x, s8_1.x),
    array<f32, 9>(s0_1.y, s1_1.y, s2_1.y, s3_1.y, s4_1.y, s5_1.y, s6_1.y, s7_1.y, s8_1.y),
    array<f32, 9>(s0_1.z, s1_1.z, s2_1.z, s3_1.z, s4_1.z, s5_1.z, s6_1.z, s7_1.z, s8_1.z),
    array<f32, 9>(s0_1.w, s1_1.w, s2_1.w, s3_1.w, s4_1.w, s5_1.w, s6_1.w, s7_1.w, s8_1.w),
  );
  for (var i = 0u; i < min(8u, g.outputs - o); i++) {
    let row = sums[i];
    let to = (((slab * g.groups + part) * g.outputs + o + i) * count + lane) * 3u;
    if (lane + 0u * lanes < count) {
      partial[to + 0u * lanes + 0u] = row[0];
      partial[to + 0u * lanes + 1u] = row[1];
      partial[to + 0u * lanes + 2u] = row[2];
    }
    if (lane + 1u * lanes < count) {
      partial[to + 3u * lanes + 0u] = row[3];
      partial[to + 3u * lanes + 1u] = row[4];
      partial[to + 3u * lanes + 2u] = row[5];
    }
    if (lane + 2u * lanes < count) {
      partial[to + 6u * lanes + 0u] = row[6];
      partial[to + 6u * lanes + 1u] = row[7];
      partial[to + 6u * lanes + 2u] = row[8];
    }
  }
}
