// Max-pooling with switches.
//
//   forward    y[n,c,oh,ow] = max over kh,kw of x[n,c, oh*sh - top + kh*dh, ow*sw - left + kw*dw]
//   backward   dx[n,c,ih,iw] = sum of dy over the windows whose switch is (ih, iw)   (gathered, no atomics)
//   chooseSwitches   other switches for `backward`: the first or last maximum, or the window's middle
//   backwardTies     dx[n,c,ih,iw] = sum of share over the windows whose maximum x[n,c,ih,iw] equals
//   shareTies        share[n,c,oh,ow] = dy[n,c,oh,ow] / how many cells of the window equal its maximum
//   indices    where each winner lies in x, as a flat index over N*C*H*W
//
//   x, dx [planes, H, W]    y, dy, switches, indices [planes, OH, OW]    planes = N*C
//
// Conventions: the first maximum in row-major window order wins; a NaN wins over every number and ties with NaN; padding is never chosen.
// A switch is the winner's place in its window, kh*KW + kw, `switchBits` bits wide (8: four to a word; 32: one to a word);
// all ones where a window lies wholly in padding: y = -infinity, the index -1, and nothing flows back.
// The middle is that of the window's cells inside x; of two, the upper and the left one.
// Source: the tie rule of Caffe and PyTorch; last: TF.js on WebGPU; all ties: cuda-convnet2; averaged: jax-js; middle: Simonyan's DeconvNet code.

override switchBits: u32 = 8u;
// 0 the first maximum, 1 the last, 2 the middle
override choice: u32 = 0u;
// 2, 3: windows of at most 2 x 2 or 3 x 3, written out: GPUs have all their loads under way at once, software is spared the loops' masks.
// 0: any window, in loops.
override side: u32 = 0u;

struct Geometry {
  planes: u32,
  inputHeight: i32, inputWidth: i32,
  outputHeight: i32, outputWidth: i32,
  kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32,
  padTop: i32, padLeft: i32,
  dilationHeight: i32, dilationWidth: i32,
  columnMajor: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> switches: array<u32>;

struct Winner {
  value: f32,
  place: u32,
}

const NONE = 0xffffffffu;

fn isNan(v: f32) -> bool {
  // Compilers may assume that v == v.
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn negativeInfinity() -> f32 {
  // Not a constant expression: those may not be infinite.
  var bits = 0xff800000u;
  return bitcast<f32>(bits);
}

// `|` and `&`, not `||` and `&&`: no branches.
fn equal(a: f32, b: f32) -> bool {
  return (a == b) | (isNan(a) & isNan(b));
}

// Where a window begins in x (before it, where there is padding), and where its plane does.
struct Window {
  top: i32,
  left: i32,
  plane: i32,
}

fn window(o: u32) -> Window {
  // Divisions cost as much as many loads: a remainder is what a quotient leaves.
  let row = i32(o) / g.outputWidth;
  let column = i32(o) - row * g.outputWidth;
  let plane = row / g.outputHeight;
  let line = row - plane * g.outputHeight;
  let top = line * g.strideHeight - g.padTop;
  let left = column * g.strideWidth - g.padLeft;
  return Window(top, left, plane * g.inputHeight * g.inputWidth);
}

// A cell of a window: its value where there is one.
struct Cell {
  value: f32,
  there: bool,
  place: u32,
}

// The first three places of a window along one axis, and which of them are there.
struct Places {
  at: vec3i,
  there: vec3<bool>,
}

fn places(start: i32, kernel: i32, dilation: i32, extent: i32) -> Places {
  let steps = vec3i(0, 1, 2);
  let at = vec3i(start) + steps * dilation;
  // As unsigned numbers negative ones are large.
  return Places(at, (steps < vec3i(kernel)) & (vec3u(at) < vec3u(u32(extent))));
}

// The first three rows and columns of a window, the rows as places in x.
struct Cells {
  rows: Places,
  columns: Places,
}

fn cells(o: u32) -> Cells {
  let w = window(o);
  let rows = places(w.top, g.kernelHeight, g.dilationHeight, g.inputHeight);
  let columns = places(w.left, g.kernelWidth, g.dilationWidth, g.inputWidth);
  return Cells(Places(vec3i(w.plane) + rows.at * g.inputWidth, rows.there), columns);
}

fn cell(all: Cells, kh: i32, kw: i32) -> Cell {
  let there = all.rows.there[kh] & all.columns.there[kw];
  return Cell(x[select(0, all.rows.at[kh] + all.columns.at[kw], there)], there, u32(kh * g.kernelWidth + kw));
}

// The better of a winner so far and a cell behind it.
fn better(best: Winner, c: Cell) -> Winner {
  var wins = (c.value > best.value) | (isNan(c.value) & !isNan(best.value)) | (best.place == NONE);
  if (choice == 1u) {
    wins |= equal(c.value, best.value);
  }
  let takes = c.there & wins;
  return Winner(select(best.value, c.value, takes), select(best.place, c.place, takes));
}

// The winner's value, where nobody asks for its place.
fn higher(best: f32, c: Cell) -> f32 {
  return select(best, c.value, c.there & ((c.value > best) | (isNan(c.value) & !isNan(best))));
}

fn highest(o: u32) -> f32 {
  if (side == 0u) {
    return winner(o).value;
  }
  let all = cells(o);
  let c0 = cell(all, 0, 0);
  let c1 = cell(all, 0, 1);
  let c3 = cell(all, 1, 0);
  let c4 = cell(all, 1, 1);
  if (side == 2u) {
    return higher(higher(higher(higher(negativeInfinity(), c0), c1), c3), c4);
  }
  let c2 = cell(all, 0, 2);
  let c5 = cell(all, 1, 2);
  let c6 = cell(all, 2, 0);
  let c7 = cell(all, 2, 1);
  let c8 = cell(all, 2, 2);
  let first = higher(higher(higher(negativeInfinity(), c0), c1), c2);
  return higher(higher(higher(higher(higher(higher(first, c3), c4), c5), c6), c7), c8);
}

fn winner(o: u32) -> Winner {
  if (side != 0u) {
    let all = cells(o);
    let c0 = cell(all, 0, 0);
    let c1 = cell(all, 0, 1);
    let c3 = cell(all, 1, 0);
    let c4 = cell(all, 1, 1);
    let none = Winner(negativeInfinity(), NONE);
    if (side == 2u) {
      return better(better(better(better(none, c0), c1), c3), c4);
    }
    let c2 = cell(all, 0, 2);
    let c5 = cell(all, 1, 2);
    let c6 = cell(all, 2, 0);
    let c7 = cell(all, 2, 1);
    let c8 = cell(all, 2, 2);
    let first = better(better(better(none, c0), c1), c2);
    return better(better(better(better(better(better(first, c3), c4), c5), c6), c7), c8);
  }
  let w = window(o);
  var best = Winner(negativeInfinity(), NONE);
  for (var kh = 0; kh < g.kernelHeight; kh++) {
    let ih = w.top + kh * g.dilationHeight;
    if (ih < 0 || ih >= g.inputHeight) {
      continue;
    }
    for (var kw = 0; kw < g.kernelWidth; kw++) {
      let iw = w.left + kw * g.dilationWidth;
      if (iw < 0 || iw >= g.inputWidth) {
        continue;
      }
      let v = x[w.plane + ih * g.inputWidth + iw];
      let above = v > best.value || (isNan(v) && !isNan(best.value));
      if (best.place == NONE || above || (choice == 1u && equal(v, best.value))) {
        best = Winner(v, u32(kh * g.kernelWidth + kw));
      }
    }
  }
  return best;
}

// An invocation makes four outputs, 128 apart.
@compute @workgroup_size(128)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let count = g.planes * u32(g.outputHeight * g.outputWidth);
  for (var j = 0u; j < 4u; j++) {
    let o = ((group.y * groups.x + group.x) * 4u + j) * 128u + local;
    if (o < count) {
      y[o] = highest(o);
    }
  }
}

// A place as the j-th switch of a word.
fn packedPlace(place: u32, j: u32) -> u32 {
  return (place & (NONE >> (32u - switchBits))) << (j * switchBits);
}

// One invocation makes one word of switches, and the outputs that belong to it.
@compute @workgroup_size(128)
fn forwardSwitches(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let word = (group.y * groups.x + group.x) * 128u + local;
  let count = g.planes * u32(g.outputHeight * g.outputWidth);
  let perWord = 32u / switchBits;
  if (word * perWord >= count) {
    return;
  }
  var packed = 0u;
  for (var j = 0u; j < perWord; j++) {
    let o = word * perWord + j;
    if (o < count) {
      let best = winner(o);
      y[o] = best.value;
      packed |= packedPlace(best.place, j);
    }
  }
  switches[word] = packed;
}

var<workgroup> places8: array<u32, 512>;

// The same for GPUs, switches of a byte each: adjacent invocations make adjacent outputs, and pass their places on through workgroup memory.
@compute @workgroup_size(128)
fn forwardSwitchesShared(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let count = g.planes * u32(g.outputHeight * g.outputWidth);
  let start = (group.y * groups.x + group.x) * 128u;
  for (var j = 0u; j < 512u; j += 128u) {
    let o = start * 4u + j + local;
    var place = NONE;
    if (o < count) {
      let best = winner(o);
      y[o] = best.value;
      place = best.place;
    }
    places8[j + local] = place & 255u;
  }
  workgroupBarrier();
  let word = start + local;
  if (word * 4u >= count) {
    return;
  }
  let four = local * 4u;
  let bytes = vec4u(places8[four], places8[four + 1u], places8[four + 2u], places8[four + 3u]) * vec4u(1u, 256u, 65536u, 16777216u);
  switches[word] = bytes.x | bytes.y | bytes.z | bytes.w;
}

// Of the cells along one axis of a window that begins at `start`, the middle one of those that lie in [0, extent); -1 if there are none.
fn middle(start: i32, kernel: i32, dilation: i32, extent: i32) -> i32 {
  let first = select(0, (dilation - 1 - start) / dilation, start < 0);
  let end = min(kernel, (extent - start + dilation - 1) / dilation);
  return select(-1, (first + end - 1) / 2, start < extent && first < end);
}

fn middlePlace(o: u32) -> u32 {
  let w = window(o);
  let kh = middle(w.top, g.kernelHeight, g.dilationHeight, g.inputHeight);
  let kw = middle(w.left, g.kernelWidth, g.dilationWidth, g.inputWidth);
  return select(u32(kh * g.kernelWidth + kw), NONE, kh < 0 || kw < 0);
}

fn chosenPlace(o: u32) -> u32 {
  if (choice == 2u) {
    return middlePlace(o);
  }
  return winner(o).place;
}

@compute @workgroup_size(64)
fn chooseSwitches(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let word = (group.y * groups.x + group.x) * 64u + local;
  let count = g.planes * u32(g.outputHeight * g.outputWidth);
  let perWord = 32u / switchBits;
  if (word * perWord >= count) {
    return;
  }
  var packed = 0u;
  for (var j = 0u; j < perWord; j++) {
    let o = word * perWord + j;
    if (o < count) {
      packed |= packedPlace(chosenPlace(o), j);
    }
  }
  switches[word] = packed;
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> savedSwitches: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

fn switchAt(o: u32) -> u32 {
  // Four to a word, or one: shifts, since a division costs many loads.
  let several = switchBits == 8u;
  let word = savedSwitches[o >> select(0u, 2u, several)];
  return (word >> select(0u, (o & 3u) * 8u, several)) & (NONE >> (32u - switchBits));
}

// Windows start at o*stride - pad; the first that can reach position p (already shifted by the padding) is the smallest o with
// o*stride + span >= p, the last is floor(p / stride).
fn firstWindow(p: i32, span: i32, stride: i32) -> i32 {
  return max(0, (p - span + stride - 1) / stride);
}

// One invocation makes four adjacent columns of dx: where a division costs many loads, their place and their windows are found once.
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 128u + local;
  let strips = (u32(g.inputWidth) + 3u) / 4u;
  if (i >= g.planes * u32(g.inputHeight) * strips) {
    return;
  }
  let row = i32(i / strips);
  let start = (i32(i) - row * i32(strips)) * 4;
  let columns = vec4i(start + g.padLeft) + vec4i(0, 1, 2, 3);
  let channel = row / g.inputHeight;
  let ih = row - channel * g.inputHeight + g.padTop;
  let plane = channel * g.outputHeight * g.outputWidth;
  let lastRow = min(g.outputHeight - 1, ih / g.strideHeight);
  let firstColumn = firstWindow(columns.x, (g.kernelWidth - 1) * g.dilationWidth, g.strideWidth);
  let lastColumn = min(g.outputWidth - 1, columns.w / g.strideWidth);
  var sum = vec4f();
  for (var oh = firstWindow(ih, (g.kernelHeight - 1) * g.dilationHeight, g.strideHeight); oh <= lastRow; oh++) {
    var kh = ih - oh * g.strideHeight;
    if (g.dilationHeight > 1) {
      let offset = kh;
      kh = offset / g.dilationHeight;
      // No row of the window lies there: no switch is as large.
      kh = select(kh, -g.kernelHeight, kh * g.dilationHeight != offset);
    }
    let rowPlace = kh * g.kernelWidth;
    for (var ow = firstColumn; ow <= lastColumn; ow++) {
      let o = u32(plane + oh * g.outputWidth + ow);
      // Both are loaded before either is looked at.
      let signal = dy[o];
      let kw = i32(switchAt(o)) - rowPlace;
      let won = (kw >= 0) & (kw < g.kernelWidth);
      let here = columns == vec4i(ow * g.strideWidth + kw * g.dilationWidth);
      sum += select(vec4f(), vec4f(signal), here & vec4<bool>(won));
    }
  }
  let to = row * g.inputWidth + start;
  let left = g.inputWidth - start;
  dx[to] = sum.x;
  if (left > 1) {
    dx[to + 1] = sum.y;
  }
  if (left > 2) {
    dx[to + 2] = sum.z;
  }
  if (left > 3) {
    dx[to + 3] = sum.w;
  }
}

// What comes down to a window, and where its switch points.
struct Sent {
  signal: f32,
  place: u32,
}

// Those of the window (row, column) of a plane of outputs; NONE where there is no such window.
fn sent(plane: i32, row: i32, column: i32) -> Sent {
  // As unsigned numbers negative ones are large.
  let there = (u32(row) < u32(g.outputHeight)) & (u32(column) < u32(g.outputWidth));
  let o = u32(select(0, plane + row * g.outputWidth + column, there));
  let signal = dy[o];
  return Sent(signal, select(NONE, switchAt(o), there));
}

// What of it reaches four adjacent cells of a row, whose places in the window are these.
fn reaching(s: Sent, places: vec4u) -> vec4f {
  return select(vec4f(), vec4f(s.signal), vec4u(s.place) == places);
}

fn putCell(row: i32, column: i32, plane: i32, v: f32) {
  if ((u32(row) < u32(g.inputHeight)) & (u32(column) < u32(g.inputWidth))) {
    dx[plane + row * g.inputWidth + column] = v;
  }
}

// Windows of 3 x 3, every two cells: one invocation makes 2 x 4 cells, which two by three windows reach, each loaded once.
@compute @workgroup_size(128)
fn backwardOverlaps(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = i32((group.y * groups.x + group.x) * 128u + local);
  // Counted from where the padding begins, as windows are.
  let across = (g.inputWidth + g.padLeft + 3) / 4;
  let down = (g.inputHeight + g.padTop + 1) / 2;
  let line = i / across;
  let plane = line / down;
  if (plane >= i32(g.planes)) {
    return;
  }
  let c = (i - line * across) * 2;
  let r = line - plane * down;
  let outputs = plane * g.outputHeight * g.outputWidth;
  let a = sent(outputs, r - 1, c - 1);
  let b = sent(outputs, r - 1, c);
  let d = sent(outputs, r - 1, c + 1);
  let e = sent(outputs, r, c - 1);
  let f = sent(outputs, r, c);
  let h = sent(outputs, r, c + 1);
  // Of the windows above, the lowest row; of the others, the upper two. No switch is NONE - 1.
  let no = NONE - 1u;
  let above = (reaching(a, vec4u(8u, no, no, no)) + reaching(b, vec4u(6u, 7u, 8u, no))) + reaching(d, vec4u(no, no, 6u, 7u));
  let upper = ((above + reaching(e, vec4u(2u, no, no, no))) + reaching(f, vec4u(0u, 1u, 2u, no))) + reaching(h, vec4u(no, no, 0u, 1u));
  let lower = (reaching(e, vec4u(5u, no, no, no)) + reaching(f, vec4u(3u, 4u, 5u, no))) + reaching(h, vec4u(no, no, 3u, 4u));
  let inputs = plane * g.inputHeight * g.inputWidth;
  let row = 2 * r - g.padTop;
  let column = 2 * c - g.padLeft;
  putCell(row, column, inputs, upper.x);
  putCell(row, column + 1, inputs, upper.y);
  putCell(row, column + 2, inputs, upper.z);
  putCell(row, column + 3, inputs, upper.w);
  putCell(row + 1, column, inputs, lower.x);
  putCell(row + 1, column + 1, inputs, lower.y);
  putCell(row + 1, column + 2, inputs, lower.z);
  putCell(row + 1, column + 3, inputs, lower.w);
}

@group(0) @binding(1) var<storage, read> dy2: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> dx4: array<vec4f>;

// Windows of 2 x 2 side by side that cover x: one invocation hands two adjacent outputs down to the two rows of four cells that are theirs.
@compute @workgroup_size(256)
fn backwardPairs(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  let pairs = u32(g.outputWidth) / 2u;
  let row = i / pairs;
  if (row >= g.planes * u32(g.outputHeight)) {
    return;
  }
  let signals = dy2[i].xxyy;
  let two = savedSwitches[i >> 1u] >> ((i & 1u) * 16u);
  let places = vec2u(two & 255u, (two >> 8u) & 255u).xxyy;
  let to = i + row * pairs;
  dx4[to] = select(vec4f(), signals, places == vec4u(0u, 1u, 0u, 1u));
  dx4[to + pairs] = select(vec4f(), signals, places == vec4u(2u, 3u, 2u, 3u));
}

@group(0) @binding(2) var<storage, read_write> indices: array<i32>;

@compute @workgroup_size(64)
fn findIndices(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let o = (group.y * groups.x + group.x) * 64u + local;
  if (o >= g.planes * u32(g.outputHeight * g.outputWidth)) {
    return;
  }
  let place = i32(winner(o).place);
  let w = window(o);
  let ih = w.top + (place / g.kernelWidth) * g.dilationHeight;
  let iw = w.left + (place % g.kernelWidth) * g.dilationWidth;
  let at = w.plane + select(ih * g.inputWidth + iw, iw * g.inputHeight + ih, g.columnMajor == 1u);
  indices[o] = select(at, -1, place < 0);
}

@group(0) @binding(2) var<storage, read> maxima: array<f32>;
@group(0) @binding(3) var<storage, read> signal: array<f32>;
@group(0) @binding(4) var<storage, read_write> share: array<f32>;

@compute @workgroup_size(64)
fn shareTies(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let o = (group.y * groups.x + group.x) * 64u + local;
  if (o >= g.planes * u32(g.outputHeight * g.outputWidth)) {
    return;
  }
  let w = window(o);
  let maximum = maxima[o];
  var ties = 0.0;
  for (var kh = 0; kh < g.kernelHeight; kh++) {
    let ih = w.top + kh * g.dilationHeight;
    for (var kw = 0; kw < g.kernelWidth; kw++) {
      let iw = w.left + kw * g.dilationWidth;
      if (ih >= 0 && ih < g.inputHeight && iw >= 0 && iw < g.inputWidth) {
        ties += select(0.0, 1.0, equal(x[w.plane + ih * g.inputWidth + iw], maximum));
      }
    }
  }
  // A window without a cell has no tie, and nobody asks for its share.
  share[o] = signal[o] / max(ties, 1.0);
}

@group(0) @binding(3) var<storage, read> shares: array<f32>;
@group(0) @binding(4) var<storage, read_write> tied: array<f32>;

@compute @workgroup_size(64)
fn backwardTies(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
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
  let v = x[i];
  var sum = 0.0;
  for (var oh = firstWindow(ih, (g.kernelHeight - 1) * g.dilationHeight, g.strideHeight); oh <= lastRow; oh++) {
    for (var ow = firstWindow(iw, (g.kernelWidth - 1) * g.dilationWidth, g.strideWidth); ow <= lastColumn; ow++) {
      let onGrid = (ih - oh * g.strideHeight) % g.dilationHeight == 0 && (iw - ow * g.strideWidth) % g.dilationWidth == 0;
      let o = plane + oh * g.outputWidth + ow;
      if (onGrid && equal(v, maxima[o])) {
        sum += shares[o];
      }
    }
  }
  tied[i] = sum;
}
