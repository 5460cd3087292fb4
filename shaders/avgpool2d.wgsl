// Average-pooling.
//
//   forward    y[n,c,oh,ow] = (sum over kh,kw of x[n,c, oh*sh - top + kh*dh, ow*sw - left + kw*dw]) / divisor(oh, ow)
//   backward   dx[n,c,ih,iw] = sum over the windows that hold (ih, iw) of dy / divisor   (gathered, no atomics)
//
//   x, dx [planes, H, W]    y, dy [planes, OH, OW]    planes = N*C
//
// Conventions: padding adds zeros. The divisor counts the window's places inside the input or, with countIncludePad, inside the padded
// input; places beyond the padding, which ceil mode can reach, never count. A window without a place gives 0.
// Source: PyTorch's and ONNX's definition of average pooling.

struct Geometry {
  planes: u32,
  inputHeight: i32, inputWidth: i32,
  outputHeight: i32, outputWidth: i32,
  kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32,
  padTop: i32, padLeft: i32, padBottom: i32, padRight: i32,
  dilationHeight: i32, dilationWidth: i32,
  countIncludePad: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// How many of the places start, start + dilation, ... (kernel of them) lie in [low, high).
fn placesInside(start: i32, kernel: i32, dilation: i32, low: i32, high: i32) -> i32 {
  let first = max(0, (low - start + dilation - 1) / dilation);
  let last = min(kernel - 1, (high - 1 - start) / dilation);
  return select(max(0, last - first + 1), 0, high - 1 < start);
}

fn divisor(top: i32, left: i32) -> f32 {
  let pad = i32(g.countIncludePad);
  let rows = placesInside(top, g.kernelHeight, g.dilationHeight, -pad * g.padTop, g.inputHeight + pad * g.padBottom);
  let columns = placesInside(left, g.kernelWidth, g.dilationWidth, -pad * g.padLeft, g.inputWidth + pad * g.padRight);
  return f32(max(1, rows * columns));
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let o = (group.y * groups.x + group.x) * 64u + local;
  if (o >= g.planes * u32(g.outputHeight * g.outputWidth)) {
    return;
  }
  let ow = i32(o) % g.outputWidth;
  let row = i32(o) / g.outputWidth;
  let top = (row % g.outputHeight) * g.strideHeight - g.padTop;
  let left = ow * g.strideWidth - g.padLeft;
  let plane = (row / g.outputHeight) * g.inputHeight * g.inputWidth;
  var sum = 0.0;
  for (var kh = 0; kh < g.kernelHeight; kh++) {
    let ih = top + kh * g.dilationHeight;
    if (ih < 0 || ih >= g.inputHeight) {
      continue;
    }
    for (var kw = 0; kw < g.kernelWidth; kw++) {
      let iw = left + kw * g.dilationWidth;
      if (iw >= 0 && iw < g.inputWidth) {
        sum += x[plane + ih * g.inputWidth + iw];
      }
    }
  }
  y[o] = sum / divisor(top, left);
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

// The first window that reaches position p (shifted by the padding) is the smallest o with o*stride + span >= p.
fn firstWindow(p: i32, span: i32, stride: i32) -> i32 {
  return max(0, (p - span + stride - 1) / stride);
}

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.planes * u32(g.inputHeight * g.inputWidth)) {
    return;
  }
  let iw = i32(i) % g.inputWidth + g.padLeft;
  let row = i32(i) / g.inputWidth;
  let ih = row % g.inputHeight + g.padTop;
  let plane = (row / g.inputHeight) * g.outputHeight * g.outputWidth;
  let lastRow = min(g.outputHeight - 1, ih / g.strideHeight);
  let lastColumn = min(g.outputWidth - 1, iw / g.strideWidth);
  var sum = 0.0;
  for (var oh = firstWindow(ih, (g.kernelHeight - 1) * g.dilationHeight, g.strideHeight); oh <= lastRow; oh++) {
    if ((ih - oh * g.strideHeight) % g.dilationHeight != 0) {
      continue;
    }
    for (var ow = firstWindow(iw, (g.kernelWidth - 1) * g.dilationWidth, g.strideWidth); ow <= lastColumn; ow++) {
      if ((iw - ow * g.strideWidth) % g.dilationWidth != 0) {
        continue;
      }
      sum += dy[plane + oh * g.outputWidth + ow] / divisor(oh * g.strideHeight - g.padTop, ow * g.strideWidth - g.padLeft);
    }
  }
  dx[i] = sum;
}
