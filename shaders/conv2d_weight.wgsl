// 2-D convolution, backward to the weights.
//
//   dw[o,c,t,u] = sum over n, oh, ow of dy[n,o,oh,ow] * x[n, c, oh*strideHeight - padTop + t*dilationHeight,
//                                                               ow*strideWidth - padLeft + u*dilationWidth]
//
//   x [N, groups*inputs, xHeight, xWidth]    dy [N, groups*outputs, yHeight, yWidth]
//   dw [groups*outputs, inputs, kernelHeight, kernelWidth]
//
// An invocation computes one tap (t,u) of 8 output x 4 input channels, over one slab of the N*yHeight rows of dy; `partial` is [slabs, dw],
// and sum.wgsl adds the slabs in order. With one slab, `partial` is dw itself.
//
// Conventions: x is zero outside its bounds: the loops run only over rows and columns of dy that meet x inside. Rows are summed in order,
// within a row columns. Source: the adjoint of conv2d.wgsl with respect to w.

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

@compute @workgroup_size(32)
fn backwardWeight(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  // index = (((slab * groups + part) * outputTiles + outputTile) * inputTiles + inputTile) * taps + tap
  let index = (group.y * groups.x + group.x) * 32u + local;
  let taps = g.kernelHeight * g.kernelWidth;
  let inputTiles = (g.inputs + 3u) / 4u;
  let outputTiles = (g.outputs + 7u) / 8u;
  let tap = index % taps;
  let c = index / taps % inputTiles * 4u;
  let o = index / (taps * inputTiles) % outputTiles * 8u;
  let part = index / (taps * inputTiles * outputTiles) % g.groups;
  let slab = index / (taps * inputTiles * outputTiles * g.groups);
  if (slab >= g.slabs) {
    return;
  }
  let top = i32(tap / g.kernelWidth) * g.dilationHeight - g.padTop;
  let left = i32(tap % g.kernelWidth) * g.dilationWidth - g.padLeft;
  // Columns first <= ow < last have 0 <= ow*stride + left < xWidth.
  let first = (max(0, -left) + g.strideWidth - 1) / g.strideWidth;
  let last = min(g.yWidth, (max(0, g.xWidth - left) + g.strideWidth - 1) / g.strideWidth);

  // Where each channel's plane starts within its group; channels past the end repeat the last one and are not stored.
  let xPlane = u32(g.xHeight * g.xWidth);
  let yPlane = u32(g.yHeight * g.yWidth);
  let xs = min(vec4u(c) + vec4u(0, 1, 2, 3), vec4u(g.inputs - 1u)) * xPlane;
  let ya = min(vec4u(o) + vec4u(0, 1, 2, 3), vec4u(g.outputs - 1u)) * yPlane;
  let yb = min(vec4u(o) + vec4u(4, 5, 6, 7), vec4u(g.outputs - 1u)) * yPlane;

  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  let end = min((slab + 1u) * g.slabRows, g.batch * u32(g.yHeight));
  for (var r = slab * g.slabRows; r < end; r++) {
    let n = r / u32(g.yHeight);
    let oh = r % u32(g.yHeight);
    let h = i32(oh) * g.strideHeight + top;
    if (u32(h) >= u32(g.xHeight)) {
      continue;
    }
    let xRow = (n * g.groups + part) * g.inputs * xPlane + u32(h * g.xWidth);
    let yRow = (n * g.groups + part) * g.outputs * yPlane + oh * u32(g.yWidth);
    for (var ow = first; ow < last; ow++) {
      let at = xs + xRow + u32(ow * g.strideWidth + left);
      let v = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
      let place = yRow + u32(ow);
      s0 = fma(vec4f(dy[ya.x + place]), v, s0);
      s1 = fma(vec4f(dy[ya.y + place]), v, s1);
      s2 = fma(vec4f(dy[ya.z + place]), v, s2);
      s3 = fma(vec4f(dy[ya.w + place]), v, s3);
      s4 = fma(vec4f(dy[yb.x + place]), v, s4);
      s5 = fma(vec4f(dy[yb.y + place]), v, s5);
      s6 = fma(vec4f(dy[yb.z + place]), v, s6);
      s7 = fma(vec4f(dy[yb.w + place]), v, s7);
    }
  }

  let sums = array<vec4f, 8>(s0, s1, s2, s3, s4, s5, s6, s7);
  for (var i = 0u; i < min(8u, g.outputs - o); i++) {
    for (var j = 0u; j < min(4u, g.inputs - c); j++) {
      partial[(((slab * g.groups + part) * g.outputs + o + i) * g.inputs + c + j) * taps + tap] = sums[i][j];
    }
  }
}
