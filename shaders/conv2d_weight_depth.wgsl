// 2-D convolution with one input channel to a group, depthwise convolution above all, backward to the weights: four taps of a row of the
// window per invocation, over one slab of the rows of dy. conv2d_weight.wgsl holds the equation, the shapes and the conventions;
// here inputs = 1.
//
// Where windows move by as much as taps lie apart (stride = dilation along rows) the four numbers of x move on by one place with every column of
// dy, and one is loaded. The result is the same to the bit, for numbers: where x lies outside, zero is multiplied and added.

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


// Column v of a row of x that begins at `line`, zero outside.
fn column(line: u32, v: i32, within: bool) -> f32 {
  let inside = within & (u32(v) < u32(g.xWidth));
  return select(0.0, x[select(0u, line + u32(v), inside)], inside);
}

@compute @workgroup_size(64)
fn taps4(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  // index = ((slab * channels + channel) * kernelHeight + t) * fours + four
  let index = (group.y * groups.x + group.x) * 64u + local;
  let fours = (g.kernelWidth + 3u) / 4u;
  let first = index % fours * 4u;
  let t = index / fours % g.kernelHeight;
  let channels = g.groups * g.outputs;
  let channel = index / (fours * g.kernelHeight) % channels;
  let slab = index / (fours * g.kernelHeight * channels);
  if (slab >= g.slabs) {
    return;
  }
  let top = i32(t) * g.dilationHeight - g.padTop;
  let left = i32(first) * g.dilationWidth - g.padLeft;
  let slides = g.strideWidth == g.dilationWidth;
  var sum = vec4f();
  let end = min((slab + 1u) * g.slabRows, g.batch * u32(g.yHeight));
  for (var r = slab * g.slabRows; r < end; r++) {
    let n = r / u32(g.yHeight);
    let oh = r % u32(g.yHeight);
    let h = i32(oh) * g.strideHeight + top;
    let within = u32(h) < u32(g.xHeight);
    let line = (n * g.groups + channel / g.outputs) * u32(g.xHeight * g.xWidth) + u32(h * g.xWidth);
    let dyRow = ((n * channels + channel) * u32(g.yHeight) + oh) * u32(g.yWidth);
    var window = vec4f();
    if (slides) {
      window = vec4f(
        0.0,
        column(line, left, within),
        column(line, left + g.dilationWidth, within),
        column(line, left + 2 * g.dilationWidth, within),
      );
    }
    for (var ow = 0; ow < g.yWidth; ow++) {
      let v = left + ow * g.strideWidth;
      if (slides) {
        window = vec4f(window.yzw, column(line, v + 3 * g.dilationWidth, within));
      } else {
        window = vec4f(
          column(line, v, within),
          column(line, v + g.dilationWidth, within),
          column(line, v + 2 * g.dilationWidth, within),
          column(line, v + 3 * g.dilationWidth, within),
        );
      }
      sum = fma(vec4f(dy[dyRow + u32(ow)]), window, sum);
    }
  }
  let to = ((slab * channels + channel) * g.kernelHeight + t) * g.kernelWidth + first;
  for (var k = 0u; k < min(4u, g.kernelWidth - first); k++) {
    partial[to + k] = sum[k];
  }
}
