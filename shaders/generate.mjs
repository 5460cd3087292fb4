/**
 * Writes conv2d_tile.wgsl and conv2d_quad.wgsl: the convolution of conv2d.wgsl in register tiles, its inner loops unrolled in the text, for
 * devices whose compilers do not unroll. `node shaders/generate.mjs` rewrites both files; the same script gives the same bytes.
 *
 * Beyond unrolling, the text is shaped by what compilers take long over: no `&&` (each is a branch, and 24 of them took one compiler half a
 * minute), a loop around the stores at the end instead of a hundred guarded ones, channels not unrolled.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const range = (n) => Array.from({ length: n }, (_, i) => i);
const lines = (n, line) => range(n).map(line).join('\n');
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
  return Pixel(q / plane, q % plane / g.gridWidth, q % g.gridWidth);
}

// Where a pixel goes in y, in the plane of a channel.
fn address(p: Pixel, channel: u32) -> u32 {
  let i = p.i * g.yStrideHeight + g.yOffsetHeight;
  let j = p.j * g.yStrideWidth + g.yOffsetWidth;
  return ((p.n * g.groups * g.outputs + channel) * g.yHeight + i) * g.yWidth + j;
}`;

/** One step's weights as w0, w1, ... for four channels each: read, or a quarter read and the rest had from the quad. */
function weights(vectors, quad) {
  if (!quad) return lines(vectors, (v) => `        let w${v} = w[row + ${v}u];`);
  const whole = (v) =>
    range(4)
      .map((k) => `quadBroadcast(q${v}, ${k}u)`)
      .join(', ');
  return `${lines(vectors, (v) => `        let q${v} = w[row + ${4 * v}u];`)}
${lines(vectors, (v) => `        let w${v} = vec4f(${whole(v)});`)}`;
}

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
      for (var c = span * ${SPAN}u; c < end; c++) {
        let channel = c * plane;
${lines(pixels, (p) => `        let x${p} = select(0.0, x[at${p} + channel], in${p});`)}
${weights(vectors, quad)}
${lines(pixels, (p) => lines(vectors, (v) => `        t${p}_${v} = fma(vec4f(x${p}), w${v}, t${p}_${v});`))}
        row += g.outputsPadded${quad ? '' : ' / 4u'};
      }
${lines(pixels, (p) => lines(vectors, (v) => `      s${p}_${v} += t${p}_${v};`))}
    }
  }`;

/** Stores the sums channel by channel: one loop, whose text holds a store per pixel. */
const store = (pixels, outputs) => `  let sums = array<array<f32, ${pixels}>, ${outputs}>(
${lines(
  outputs,
  (o) =>
    `    array<f32, ${pixels}>(${range(pixels)
      .map((p) => `s${p}_${o >> 2}.${'xyzw'[o & 3]}`)
      .join(', ')}),`,
)}
  );
${lines(pixels, (p) => `  let to${p} = address(p${p}, part * g.outputs + first);`)}
  for (var o = 0u; o < min(${outputs}u, g.outputs - first); o++) {
    let bias = select(0.0, b[part * g.outputs + first + o], g.biased == 1u);
    let column = sums[o];
    let up = o * g.yHeight * g.yWidth;
${lines(pixels, (p) => `    if (lane + ${p}u * lanes < count) {\n      y[to${p} + up] = column[${p}] + bias;\n    }`)}
  }`;

/** An entry point whose invocations make `pixels` x `outputs` elements each. */
function entry({ name, pixels, outputs, quad }) {
  const vectors = outputs / 4;
  const leave = '  if (part >= g.groups) {\n    return;\n  }\n';
  const row = 'part * g.kernelHeight * g.kernelWidth * g.inputs * g.outputsPadded + first';
  return `// ${pixels} pixel${pixels > 1 ? 's' : ''} x ${outputs} output channels.
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
  let part = index / (lanes * tiles);
${quad ? '' : leave}  let plane = u32(g.xHeight * g.xWidth);
${lines(pixels, (p) => `  let p${p} = pixel(lane + ${p}u * lanes);`)}
${lines(pixels, (p) => `  let top${p} = i32(p${p}.i) * g.xStrideHeight + g.xOffsetHeight;`)}
${lines(pixels, (p) => `  let left${p} = i32(p${p}.j) * g.xStrideWidth + g.xOffsetWidth;`)}
${lines(pixels, (p) => `  let image${p} = (p${p}.n * g.groups + part) * g.inputs * plane;`)}
${lines(pixels, (p) => lines(vectors, (v) => `  var s${p}_${v} = vec4f();`))}
  var row = ${quad ? `${row} + (member & 3u)` : `(${row}) / 4u`};
${sum(pixels, vectors, quad)}
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
// The result is the same to the bit.`;

/** The generated files, by name. */
export async function generate() {
  const plain = await readFile(new URL('conv2d.wgsl', import.meta.url), 'utf8');
  const tiles = [
    { name: 'tile8x16', pixels: 8, outputs: 16 },
    { name: 'tile8x4', pixels: 8, outputs: 4 },
    { name: 'tile1x16', pixels: 1, outputs: 16 },
  ];
  const quads = [{ name: 'quad8x16', pixels: 8, outputs: 16, quad: true }];
  return {
    'conv2d_tile.wgsl': [tileHeader, declarations(plain, 'vec4f'), helpers, ...tiles.map(entry)].join('\n\n') + '\n',
    'conv2d_quad.wgsl': [quadHeader, 'enable subgroups;', declarations(plain, 'f32'), helpers, ...quads.map(entry)].join('\n\n') + '\n',
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await generate())) await writeFile(new URL(name, import.meta.url), text);
}
