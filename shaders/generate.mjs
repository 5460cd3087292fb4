/**
 * Writes the kernels in register tiles, their inner loops unrolled in the text, for devices whose compilers do not unroll: conv2d_tile.wgsl
 * and conv2d_quad.wgsl from conv2d.wgsl, conv2d_weight_quad.wgsl from conv2d_weight.wgsl, linear_quad.wgsl from linear.wgsl; and, through
 * generateGemm.mjs, those that work in workgroup memory.
 * `node shaders/generate.mjs` rewrites the files; the same script gives the same bytes.
 *
 * Beyond unrolling, the text is shaped by what compilers take long over: no `&&` (each is a branch, and 24 of them took one compiler half a
 * minute), a loop around the stores at the end instead of a hundred guarded ones, channels not unrolled.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { generateGemm } from './generateGemm.mjs';
import { rowEntry, rowPlaces, weightRows } from './generateRows.mjs';
import { lines, range, table } from './text.mjs';

const WORKGROUP = 32;
/** Channels that one accumulator takes in before it is added to the total. */
const SPAN = 64;

/** Everything between `struct Geometry` and the entry point of conv2d.wgsl, with w seen as `weights`. */
function declarations(plain, weights) {
  const text = plain.slice(plain.indexOf('struct Geometry'), plain.indexOf('@compute'));
  return text.replace('w: array<f32>', `w: array<${weights}>`).trimEnd();
}

const helpers = `struct Pixel {
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
}`;

/**
 * The weights of one tap and channel as w0, w1, ... for four output channels each, `suffix` to their names: read from `place`, or one of the four
 * read and the others had from the quad.
 */
function weights(vectors, quad, place = 'row', suffix = '') {
  const name = (v) => `w${v}${suffix}`;
  if (!quad) return lines(vectors, (v) => `        let ${name(v)} = w[${place} + ${v}u];`);
  return `        let own${suffix} = w[${place}];
${lines(vectors, (v) => `        let ${name(v)} = quadBroadcast(own${suffix}, ${v}u);`)}`;
}

/** Adds pixel p times the weights named with `suffix` to the accumulators of `into`, four output channels at a time. */
const product = (vectors, x, into, suffix = '') =>
  lines(vectors, (v) => `        t${into}_${v} = fma(vec4f(${x}), w${v}${suffix}, t${into}_${v});`);

/**
 * The sum over taps and channels as two loops: bounds and addresses once per tap, a plane further with every channel.
 * Entering and leaving a loop costs as much as some channels do, so the taps share one.
 *
 * Each tap's channels are summed in spans of their own and then added to the total: the rounding error of a sum grows with the terms that
 * pass through one accumulator, and this way it is three to five times smaller for a tenth more time.
 */
const sum = (pixels, vectors, quad) => `  let spans = (g.inputs + ${SPAN - 1}u) / ${SPAN}u;
  for (var tap = 0u; tap < g.kernelHeight * g.kernelWidth; tap++) {
    let down = i32(tap / g.kernelWidth) * g.xStepHeight;
    let right = i32(tap % g.kernelWidth) * g.xStepWidth;
${lines(pixels, (p) => `    let in${p} = (u32(top${p} + down) < u32(g.xHeight)) & (u32(left${p} + right) < u32(g.xWidth));`)}
${lines(pixels, (p) => `    let at${p} = select(0u, image${p} + u32((top${p} + down) * g.xWidth + left${p} + right), in${p});`)}
    for (var span = 0u; span < spans; span++) {
${lines(pixels, (p) => lines(vectors, (v) => `      var t${p}_${v} = vec4f();`))}
      let end = min((span + 1u) * ${SPAN}u, g.inputs);
      for (var c = span * ${SPAN}u; c < end; c += ${quad ? 2 : 1}u) {
        let channel = c * plane;
${(quad ? pairOfChannels : oneChannel)(pixels, vectors)}
      }
${lines(pixels, (p) => lines(vectors, (v) => `      s${p}_${v} += t${p}_${v};`))}
    }
  }`;

const oneChannel = (pixels, vectors) => `${lines(pixels, (p) => `        let x${p} = select(0.0, x[at${p} + channel], in${p});`)}
${weights(vectors, false)}
${lines(pixels, (p) => product(vectors, `x${p}`, p))}
        row += pitch;`;

/** Two channels, in their order; each pixel is loaded while the one before is multiplied, since a load is a long chain of its own. */
function pairOfChannels(pixels, vectors) {
  const load = (p, k) => `        let x${p}_${k} = select(0.0, x[at${p} + channel${k ? ' + plane' : ''}], in${p});`;
  const steps = range(2 * pixels).map((i) => [i % pixels, i < pixels ? 0 : 1]);
  const text = [weights(vectors, true, 'row', '_0'), load(0, 0)];
  steps.forEach(([p, k], i) => {
    const next = steps[i + 1];
    if (next?.[0] === 0) text.push(weights(vectors, true, 'row + pitch', '_1'));
    if (next) text.push(load(...next));
    text.push(product(vectors, `x${p}_${k}`, p, `_${k}`));
  });
  return `${text.join('\n')}
        row += 2u * pitch;`;
}

/**
 * The same for few channels, where entering a loop for every tap costs more than its channels: taps and channels in one loop, in spans that run
 * across taps. Bounds are tested every time.
 */
const flatSum = (pixels, vectors, quad) => `  let total = g.kernelHeight * g.kernelWidth * g.inputs;
  var c = 0u;
  var kh = 0;
  var kw = 0;
  for (var start = 0u; start < total; start += ${SPAN}u) {
${lines(pixels, (p) => lines(vectors, (v) => `    var t${p}_${v} = vec4f();`))}
    let end = min(start + ${SPAN}u, total);
    for (var k = start; k < end; k++) {
      let down = kh * g.xStepHeight;
      let right = kw * g.xStepWidth;
      let channel = c * plane;
${lines(pixels, (p) => `      let in${p} = (u32(top${p} + down) < u32(g.xHeight)) & (u32(left${p} + right) < u32(g.xWidth));`)}
${lines(pixels, (p) => `      let at${p} = image${p} + channel + u32((top${p} + down) * g.xWidth + left${p} + right);`)}
${lines(pixels, (p) => `      let x${p} = select(0.0, x[select(0u, at${p}, in${p})], in${p});`)}
${weights(vectors, quad).replaceAll('        let', '      let')}
${lines(pixels, (p) => product(vectors, `x${p}`, p)).replaceAll('        t', '      t')}
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
${lines(pixels, (p) => lines(vectors, (v) => `    s${p}_${v} += t${p}_${v};`))}
  }`;

/** Where the sums of strips go: a place for each pixel, and whether it is one. */
const stripPlaces = {
  to: (pixels) => lines(pixels, (p) => `  let to${p} = address(p${p}, part * g.outputs + first);`),
  inside: (p) => `lane + ${p}u * lanes < count`,
};

/**
 * Stores the sums channel by channel: one loop, whose text holds a store per pixel. Gates are looked into in a loop of one turn or none: of a branch
 * both sides cost where several invocations run as one, and a load as much as two stores.
 */
const store = (pixels, outputs, { to, inside } = stripPlaces) => `${table(pixels, outputs)}
${to(pixels)}
  let f = finishing();
  for (var o = 0u; o < min(${outputs}u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
${lines(pixels, (p) => `    var v${p} = signed(column[${p}] + bias, f);`)}
    for (var gated = f.gated; gated; gated = false) {
${lines(pixels, (p) => `      v${p} = passed(v${p}, to${p} + up, f);`)}
    }
${lines(pixels, (p) => `    if (${inside(p)}) {\n      y[to${p} + up] = v${p};\n    }`)}
  }`;

/** An entry point whose invocations make `pixels` x `outputs` elements each. */
function entry({ name, pixels, outputs, quad, flat }) {
  const vectors = outputs / 4;
  const leave = `  if (${quad ? 'item' : 'part'} >= g.groups) {\n    return;\n  }\n`;
  // A quad stays together to its end: invocations past the last group do that group's work again, since they must not read past the buffers.
  const part = quad
    ? '  let item = index / (lanes * tiles);\n  let part = min(item, g.groups - 1u);'
    : '  let part = index / (lanes * tiles);';
  const row = '(part * g.kernelHeight * g.kernelWidth * g.inputs * g.outputsPadded + first) / 4u';
  return `// ${pixels} pixel${pixels > 1 ? 's' : ''} x ${outputs} output channels${flat ? ', for few input channels' : ''}.
@compute @workgroup_size(${WORKGROUP})
fn ${name}(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,${quad ? '\n  @builtin(subgroup_invocation_id) member: u32,' : ''}
) {
  let count = g.batch * g.gridHeight * g.gridWidth;
  let lanes = ${quad ? `(count + ${4 * pixels - 1}u) / ${4 * pixels}u * 4u` : `(count + ${pixels - 1}u) / ${pixels}u`};
  let tiles = g.outputsPadded / ${outputs}u;
  let index = (group.y * groups.x + group.x) * ${WORKGROUP}u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * ${outputs}u;
${part}
${quad ? '' : leave}  let plane = u32(g.xHeight * g.xWidth);
${lines(pixels, (p) => `  let p${p} = pixel(lane + ${p}u * lanes);`)}
${lines(pixels, (p) => `  let top${p} = i32(p${p}.i) * g.xStrideHeight + g.xOffsetHeight;`)}
${lines(pixels, (p) => `  let left${p} = i32(p${p}.j) * g.xStrideWidth + g.xOffsetWidth;`)}
${lines(pixels, (p) => `  let image${p} = (p${p}.n * g.groups + part) * g.inputs * plane;`)}
${lines(pixels, (p) => lines(vectors, (v) => `  var s${p}_${v} = vec4f();`))}
  let pitch = g.outputsPadded / 4u;
  var row = ${row}${quad ? ' + (member & 3u)' : ''};
${(flat ? flatSum : sum)(pixels, vectors, quad)}
${quad ? leave : ''}${store(pixels, outputs)}
}`;
}

const tileHeader = `// 2-D convolution in register tiles. Written by generate.mjs from conv2d.wgsl, which holds the equation, the shapes
// and the conventions; do not edit.
//
// An invocation computes a tile of pixels x output channels, and all it needs of x and w for one tap and channel it loads once. A grid of
// \`count\` pixels is cut into as many strips as the tile has pixels, of \`lanes\` each: adjacent invocations have adjacent pixels in every
// strip, and at most the last strips are cut short. Bounds are tested once per tap and pixel; the loop over channels only moves on.`;

const quadHeader = `// 2-D convolution in register tiles, for devices with subgroups. Written by generate.mjs from conv2d.wgsl, which
// holds the equation, the shapes and the conventions; do not edit.
//
// As conv2d_tile.wgsl, but the four invocations of a quad, which need the same weights, load a quarter each and broadcast it. A quad lies
// within one tile of output channels, \`lanes\` being a multiple of 4; invocations past the end run along, because the others rely on them.
// The result is the same to the bit, except where a row's taps go into one sum.`;

/** Sixteen rows, four of them read by each member of a quad and broadcast, as w0 to w3 for four rows each. */
const rowsOfQuad = (read) => `${lines(4, (v) => `        let q${v} = ${read(v)};`)}
${lines(
  4,
  (v) =>
    `        let w${v} = vec4f(${range(4)
      .map((k) => `quadBroadcast(q${v}, ${k}u)`)
      .join(', ')});`,
)}`;

/** Declares or adds up an 8 x 16 tile of accumulators, eight columns by four vectors of rows. */
const tile = (line) => lines(8, (p) => lines(4, (v) => line(p, v)));

/** linear.wgsl's product in tiles of 16 rows x 8 columns. */
const linearQuad = `@compute @workgroup_size(16)
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
${lines(8, (p) => `  let n${p} = min(lane + ${p}u * lanes, g.columns - 1u) * g.bColumn;`)}
${lines(4, (v) => `  let m${v} = min(m + ${4 * v}u + (member & 3u), g.rows - 1u) * g.aRow;`)}
${tile((p, v) => `  var s${p}_${v} = vec4f();`)}
  let spans = (g.depth + ${SPAN - 1}u) / ${SPAN}u;
  for (var span = 0u; span < spans; span++) {
${tile((p, v) => `    var t${p}_${v} = vec4f();`)}
    let end = min((span + 1u) * ${SPAN}u, g.depth);
    for (var k = span * ${SPAN}u; k < end; k++) {
      let across = k * g.bRow;
      let down = k * g.aColumn;
${lines(8, (p) => `      let x${p} = b[n${p} + across];`)}
${rowsOfQuad((v) => `a[m${v} + down]`).replaceAll('        let', '      let')}
${tile((p, v) => `      t${p}_${v} = fma(vec4f(x${p}), w${v}, t${p}_${v});`)}
    }
${tile((p, v) => `    s${p}_${v} += t${p}_${v};`)}
  }
  if (m >= g.rows) {
    return;
  }
${table(8, 16)}
  for (var i = 0u; i < min(16u, g.rows - m); i++) {
    let row = sums[i];
${lines(8, (p) => `    put(m + i, lane + ${p}u * lanes, row[${p}]);`)}
  }
}`;

/** conv2d_weight.wgsl's sum in tiles of 16 output channels x 8 columns of dw. */
const weightQuad = `// 16 output channels x 8 columns.
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
${lines(8, (p) => `  let column${p} = min(lane + ${p}u * lanes, columns - 1u);`)}
${lines(8, (p) => `  let top${p} = i32(column${p} % taps / g.kernelWidth) * g.dilationHeight - g.padTop;`)}
${lines(8, (p) => `  let left${p} = i32(column${p} % taps % g.kernelWidth) * g.dilationWidth - g.padLeft;`)}
${lines(8, (p) => `  let plane${p} = i32(column${p} / taps) * xPlane;`)}
${lines(4, (v) => `  let m${v} = min(o + ${4 * v}u + (member & 3u), g.outputs - 1u) * yPlane;`)}
${tile((p, v) => `  var s${p}_${v} = vec4f();`)}
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
${lines(8, (p) => `    let in${p} = (wanted < rows) & (u32(down + top${p}) < u32(g.xHeight));`)}
${lines(8, (p) => `    let row${p} = image + plane${p} + top${p} * g.xWidth + left${p};`)}
    for (var ow = 0; ow < g.yWidth; ow++) {
      let right = ow * g.strideWidth;
      let place = yRow + u32(ow);
${lines(8, (p) => `      let ok${p} = in${p} & (u32(right + left${p}) < u32(g.xWidth));`)}
${lines(8, (p) => `      let x${p} = select(0.0, x[select(0u, u32(row${p} + right), ok${p})], ok${p});`)}
${rowsOfQuad((v) => `dy[m${v} + place]`).replaceAll('        let', '      let')}
${tile((p, v) => `      s${p}_${v} = fma(vec4f(x${p}), w${v}, s${p}_${v});`)}
    }
  }
  if (slab >= g.slabs) {
    return;
  }
${table(8, 16)}
  for (var i = 0u; i < min(16u, g.outputs - o); i++) {
    let row = sums[i];
    let to = ((slab * g.groups + part) * g.outputs + o + i) * columns + lane;
${lines(8, (p) => `    if (lane + ${p}u * lanes < columns) {\n      partial[to + ${p}u * lanes] = row[${p}];\n    }`)}
  }
}`;

const weightHeader = `// 2-D convolution, backward to the weights, in register tiles for devices with subgroups. Written by generate.mjs from conv2d_weight.wgsl,
// which holds the equation, the shapes and the conventions; do not edit.
//
// An invocation computes output channels x columns of dw seen as [outputs, inputs * taps], over one slab of the rows of dy. Columns are cut
// into strips of \`lanes\`; the four invocations of a quad need the same values of dy, load a quarter each and broadcast it.
// The result is the same to the bit, for numbers: where x lies outside, zero is multiplied and added.`;

const linearHeader = `// Matrix product with an addend, in register tiles for devices with subgroups. Written by generate.mjs from linear.wgsl, which holds
// the equation, the shapes and the conventions; do not edit.
//
// An invocation computes 16 rows x 8 columns. Columns are cut into 8 strips of \`lanes\`; the four invocations of a quad need the same
// values of a, load a quarter each and broadcast it. The result is the same to the bit.`;

/** The generated files, by name. */
export async function generate() {
  const plain = await readFile(new URL('conv2d.wgsl', import.meta.url), 'utf8');
  const tiles = [
    { name: 'tile8x16', pixels: 8, outputs: 16 },
    { name: 'flat8x16', pixels: 8, outputs: 16, flat: true },
    { name: 'tile8x4', pixels: 8, outputs: 4 },
    { name: 'tile1x16', pixels: 1, outputs: 16 },
  ];
  const quads = [
    { name: 'quad7x16', pixels: 7, outputs: 16, quad: true },
    { name: 'flatQuad8x16', pixels: 8, outputs: 16, quad: true, flat: true },
  ];
  const rows = [
    { name: 'row7x16', pixels: 7, outputs: 16, taps: 3 },
    { name: 'row4x16', pixels: 4, outputs: 16, taps: 3 },
    { name: 'row4x16of5', pixels: 4, outputs: 16, taps: 5 },
    { name: 'row8x4of3', pixels: 8, outputs: 4, taps: 3 },
    { name: 'row8x4of4', pixels: 8, outputs: 4, taps: 4 },
  ].map((tile) => rowEntry(tile, WORKGROUP, store(tile.pixels, tile.outputs, rowPlaces)));
  const declared = async (file) => {
    const text = await readFile(new URL(file, import.meta.url), 'utf8');
    return text.slice(text.indexOf('struct Geometry'), text.indexOf('@compute')).trimEnd();
  };
  const [linear, weight] = [await declared('linear.wgsl'), await declared('conv2d_weight.wgsl')];
  // Of linear.wgsl's helpers only the one that writes is needed.
  const put = linear.slice(linear.indexOf('fn put'), linear.indexOf('// Writes a row'));
  const product = linear.slice(0, linear.indexOf('// Products that'));
  return {
    'conv2d_tile.wgsl': [tileHeader, declarations(plain, 'vec4f'), helpers, ...tiles.map(entry)].join('\n\n') + '\n',
    'conv2d_quad.wgsl':
      [quadHeader, 'enable subgroups;', declarations(plain, 'vec4f'), helpers, ...quads.map(entry), ...rows].join('\n\n') + '\n',
    'conv2d_weight_quad.wgsl': [weightHeader, 'enable subgroups;', weight, weightQuad, weightRows('rows8x9', 16)].join('\n\n') + '\n',
    'linear_quad.wgsl': [linearHeader, 'enable subgroups;', product.trimEnd(), put.trimEnd(), linearQuad].join('\n\n') + '\n',
    ...generateGemm({ conv: `${declarations(plain, 'vec4f')}\n\n${helpers}`, weight, product: product.trimEnd() }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await generate())) await writeFile(new URL(name, import.meta.url), text);
}
