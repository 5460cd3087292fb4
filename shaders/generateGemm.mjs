/**
 * Writes the matrix-product kernels for GPUs, which share tiles of both operands in workgroup memory: conv2d_gemm.wgsl from conv2d.wgsl,
 * conv2d_weight_gemm.wgsl from conv2d_weight.wgsl, linear_gemm.wgsl from linear.wgsl. generate.mjs calls it.
 *
 * All have one plan. A workgroup makes `rows` x `columns` results; for `depth` products at a time it brings a slice of either operand into
 * workgroup memory, the next slice on its way in registers meanwhile. An invocation makes `high` x `wide` results. A slice is an array of
 * vectors whose four components lie a quarter of the tile apart (strips): adjacent invocations then load, and later store, adjacent elements,
 * and still read four numbers at once.
 *
 * `unroll` writes the products of a slice out instead of leaving them in a loop: faster for tiles of 8 x 8, slower for smaller ones (measured).
 */
import { lines, range } from './text.mjs';

const XYZW = 'xyzw';

/** Products that one accumulator takes in before it is added to the total, in the kernels that have spans. */
const SPAN = 64;

const threads = ({ rows, columns, high, wide }) => (rows / high) * (columns / wide);
const nameOf = ({ rows, columns, flat }) => `${flat ? 'flat' : 'gemm'}${rows}x${columns}`;

/** A line for each vector of accumulators: `row` of `high`, `v` of `wide` / 4. */
const tile = ({ high, wide }, line) => lines(high, (row) => lines(wide / 4, (v) => line(row, v)));

const indent = (text) => text.replace(/^(?=.)/gm, '  ');

/**
 * The products of one slice, added to the accumulators called `sum`. `aTile` holds vectors of four rows, `bTile` of four columns; invocation
 * (down, across) takes `high` / 4 and `wide` / 4 of them, spread evenly.
 */
function products(t, aPitch, bPitch, sum) {
  const body = (
    k,
  ) => `${lines(t.high / 4, (u) => `      let a${u} = aTile${nameOf(t)}[${k} * ${aPitch}u + down + ${(u * t.rows) / t.high}u];`)}
${lines(t.wide / 4, (v) => `      let b${v} = bTile${nameOf(t)}[${k} * ${bPitch}u + across + ${(v * t.columns) / t.wide}u];`)}
${tile(t, (row, v) => `      ${sum}${row}_${v} = fma(vec4f(a${row >> 2}.${XYZW[row & 3]}), b${v}, ${sum}${row}_${v});`)}`;
  if (t.unroll) return lines(t.depth, (k) => `    {\n${body(`${k}u`)}\n    }`);
  return `    for (var k = 0u; k < ${t.depth}u; k++) {\n${body('k')}\n    }`;
}

/** The accumulators, and which part of the tile is this invocation's. */
const accumulators = (t, ...names) => `${tile(t, (row, v) => names.map((name) => `  var ${name}${row}_${v} = vec4f();`).join('\n'))}
  let down = local / ${t.columns / t.wide}u;
  let across = local % ${t.columns / t.wide}u;`;

/** Workgroup memory and the head of an entry point. */
const head = (t, aPitch, bPitch) => `var<workgroup> aTile${nameOf(t)}: array<vec4f, ${t.depth * aPitch}>;
var<workgroup> bTile${nameOf(t)}: array<vec4f, ${t.depth * bPitch}>;

@compute @workgroup_size(${threads(t)})
fn ${nameOf(t)}(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {`;

/** index = ((slab * parts + part) * columnTiles + columnTile) * rowTiles + rowTile: workgroups that share columns run side by side. */
const place = (parts) => `  let index = group.y * groups.x + group.x;
  let rowTile = index % rowTiles;
  let columnTile = index / rowTiles % columnTiles;
${parts ? `  let part = index / (rowTiles * columnTiles) % ${parts};\n` : ''}  let slab = index / (rowTiles * columnTiles${parts ? ` * ${parts}` : ''});
  if (slab >= g.slabs) {
    return;
  }`;

/** An entry point of conv2d_gemm.wgsl. A: weights, four adjacent output channels to a vector. B: pixels, in strips. */
function convolution(t) {
  const lanes = t.columns / 4;
  const size = threads(t);
  const xLoads = (t.depth * lanes) / size;
  const wLoads = (t.depth * t.rows) / 4 / size;
  const xStep = size / lanes;
  const enterTap = `  kh = i32(tap / g.kernelWidth) * g.xStepHeight;
  kw = i32(tap % g.kernelWidth) * g.xStepWidth;
${lines(4, (p) => `  in${p} = (u32(top${p} + kh) < u32(g.xHeight)) & (u32(left${p} + kw) < u32(g.xWidth));\n  at${p} = image${p} + u32((top${p} + kh) * g.xWidth + left${p} + kw);`)}`;
  const loadX = (i) =>
    t.flat
      ? `    {
      let k = c + slice + ${i * xStep}u;
      let tap = k / g.inputs;
      let kh = i32(tap / g.kernelWidth) * g.xStepHeight;
      let kw = i32(tap % g.kernelWidth) * g.xStepWidth;
      let channel = k % g.inputs * plane;
${lines(4, (p) => `      let in${p} = (u32(top${p} + kh) < u32(g.xHeight)) & (u32(left${p} + kw) < u32(g.xWidth)) & (k < total);`)}
${lines(4, (p) => `      let at${p} = image${p} + channel + u32((top${p} + kh) * g.xWidth + left${p} + kw);`)}
      xs${i} = vec4f(
${lines(4, (p) => `        select(0.0, x[select(0u, at${p}, in${p})], in${p}),`)}
      );
    }`
      : `    {
      let k = c + slice + ${i * xStep}u;
      let channel = k * plane;
      let known = k < g.inputs;
      xs${i} = vec4f(
${lines(4, (p) => `        select(0.0, x[select(0u, at${p} + channel, in${p} & known)], in${p} & known),`)}
      );
    }`;
  const loadW = (i) => `    {
      let k = c + wSlice + ${(i * size) / (t.rows / 4)}u;
      let known = k < ${t.flat ? 'total' : 'g.inputs'};
      let row = ${t.flat ? 'part * total + k' : '(part * taps + tap) * g.inputs + k'};
      ws${i} = select(vec4f(), w[select(0u, row * (g.outputsPadded / 4u) + wColumn, known)], known);
    }`;
  const load = `${lines(xLoads, loadX)}\n${lines(wLoads, loadW)}`;
  const start = t.flat
    ? `  let steps = (total + ${t.depth - 1}u) / ${t.depth}u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, steps);
  var c = first * ${t.depth}u;`
    : `  let tapSteps = (g.inputs + ${t.depth - 1}u) / ${t.depth}u;
  let first = slab * g.slabSteps;
  let end = min(first + g.slabSteps, taps * tapSteps);
  var tap = first / tapSteps;
  var c = first % tapSteps * ${t.depth}u;
  var kh = 0;
  var kw = 0;
${lines(4, (p) => `  var in${p} = false;\n  var at${p} = 0u;`)}
${enterTap}`;
  const next = t.flat
    ? `    c += ${t.depth}u;
    let ends = c % ${SPAN}u == 0u;`
    : `    c += ${t.depth}u;
    let ends = (c % ${SPAN}u == 0u) | (c >= g.inputs);
    if (c >= g.inputs) {
      c = 0u;
      tap += 1u;
${indent(indent(enterTap))}
    }`;
  return `// ${t.rows} output channels x ${t.columns} pixels to a workgroup, ${t.high} x ${t.wide} to an invocation${t.flat ? '; taps and channels in one loop, for few input channels' : ''}.
${head(t, t.rows / 4, lanes)}
  let count = g.batch * g.gridHeight * g.gridWidth;
  let columnTiles = (count + ${t.columns - 1}u) / ${t.columns}u;
  let rowTiles = g.outputsPadded / ${t.rows}u;
${place('g.groups')}
  let plane = u32(g.xHeight * g.xWidth);
  let taps = g.kernelHeight * g.kernelWidth;
${t.flat ? '  let total = taps * g.inputs;\n' : ''}  let lane = local % ${lanes}u;
  let slice = local / ${lanes}u;
  let wSlice = local / ${t.rows / 4}u;
  let wColumn = rowTile * ${t.rows / 4}u + local % ${t.rows / 4}u;
${lines(4, (p) => `  let p${p} = pixel(columnTile * ${t.columns}u + lane + ${p * lanes}u);`)}
${lines(4, (p) => `  let top${p} = i32(p${p}.i) * g.xStrideHeight + g.xOffsetHeight;`)}
${lines(4, (p) => `  let left${p} = i32(p${p}.j) * g.xStrideWidth + g.xOffsetWidth;`)}
${lines(4, (p) => `  let image${p} = (p${p}.n * g.groups + part) * g.inputs * plane;`)}
${accumulators(t, 's', 't')}
${start}
${lines(xLoads, (i) => `  var xs${i} = vec4f();`)}
${lines(wLoads, (i) => `  var ws${i} = vec4f();`)}
  if (first < end) {
${load}
  }
  for (var step = first; step < end; step++) {
    workgroupBarrier();
${lines(xLoads, (i) => `    bTile${nameOf(t)}[(slice + ${i * xStep}u) * ${lanes}u + lane] = xs${i};`)}
${lines(wLoads, (i) => `    aTile${nameOf(t)}[local + ${i * size}u] = ws${i};`)}
    workgroupBarrier();
${next}
    if (step + 1u < end) {
${indent(load)}
    }
${products(t, t.rows / 4, lanes, 't')}
    if (ends) {
${tile(t, (row, v) => `      s${row}_${v} += t${row}_${v};\n      t${row}_${v} = vec4f();`)}
    }
  }
${tile(t, (row, v) => `  s${row}_${v} += t${row}_${v};`)}
  let f = finishing();
  let yPlane = g.yHeight * g.yWidth;
  let base = slab * g.batch * g.groups * g.outputs * yPlane;
${lines(t.wide, (q) => `  let q${q} = columnTile * ${t.columns}u + across + ${((q >> 2) * t.columns) / t.wide + (q & 3) * lanes}u;\n  let to${q} = base + address(pixel(q${q}), part * g.outputs);`)}
${lines(
  t.high,
  (row) => `  {
    let o = rowTile * ${t.rows}u + ${((row >> 2) * 4 * t.rows) / t.high + (row & 3)}u + 4u * down;
    if (o < g.outputs) {
      let bias = select(0.0, b[part * g.outputs + o], (g.biased == 1u) & (slab == 0u));
${lines(t.wide, (q) => `      if (q${q} < count) {\n        y[to${q} + o * yPlane] = finish(s${row}_${q >> 2}.${XYZW[q & 3]} + bias, to${q} + o * yPlane, f);\n      }`)}
    }
  }`,
)}
}`;
}

/** An entry point of conv2d_weight_gemm.wgsl. A: dy, output channels in strips. B: x, columns of dw in strips. Depth: pixels of dy. */
function convolutionWeight(t) {
  const size = threads(t);
  const [aLanes, bLanes] = [t.rows / 4, t.columns / 4];
  const [aLoads, bLoads] = [(t.depth * aLanes) / size, (t.depth * bLanes) / size];
  const step = size / t.depth;
  const load = `    {
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
${lines(aLoads, (i) => `      as${i} = vec4f(\n${lines(4, (j) => `        select(0.0, dy[signal + row${i}.${XYZW[j]}], known),`)}\n      );`)}
${lines(
  bLoads,
  (i) => `      {
${lines(4, (j) => `        let in${j} = known & (u32(h + down${i}.${XYZW[j]}) < u32(g.xHeight)) & (u32(v + right${i}.${XYZW[j]}) < u32(g.xWidth));`)}
        bs${i} = vec4f(
${lines(4, (j) => `          select(0.0, x[select(0u, u32(origin + offset${i}.${XYZW[j]}), in${j})], in${j}),`)}
        );
      }`,
)}
    }`;
  const strips = (lanes) => `vec4u(0, ${lanes}, ${2 * lanes}, ${3 * lanes})`;
  return `// ${t.rows} output channels x ${t.columns} columns of dw to a workgroup, ${t.high} x ${t.wide} to an invocation.
${head(t, aLanes + 1, bLanes + 1)}
  let taps = g.kernelHeight * g.kernelWidth;
  let columns = g.inputs * taps;
  let columnTiles = (columns + ${t.columns - 1}u) / ${t.columns}u;
  let rowTiles = (g.outputs + ${t.rows - 1}u) / ${t.rows}u;
${place('g.groups')}
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
  let slice = local % ${t.depth}u;
  let line = local / ${t.depth}u;
  // What is past the end repeats the last of its kind and is not stored.
${lines(aLoads, (i) => `  let row${i} = min(vec4u(rowTile * ${t.rows}u + line + ${i * step}u) + ${strips(aLanes)}, vec4u(g.outputs - 1u)) * yPlane;`)}
${lines(
  bLoads,
  (i) => `  let column${i} = min(vec4u(columnTile * ${t.columns}u + line + ${i * step}u) + ${strips(bLanes)}, vec4u(columns - 1u));
  let down${i} = vec4i(column${i} % taps / g.kernelWidth) * g.dilationHeight;
  let right${i} = vec4i(column${i} % taps % g.kernelWidth) * g.dilationWidth;
  let offset${i} = vec4i(column${i} / taps) * xPlane + down${i} * g.xWidth + right${i};`,
)}
${accumulators(t, 's')}
  var start = slab * g.slabPixels;
  let end = min(start + g.slabPixels, g.batch * yPlane);
${lines(aLoads, (i) => `  var as${i} = vec4f();`)}
${lines(bLoads, (i) => `  var bs${i} = vec4f();`)}
${load}
  while (start < end) {
    workgroupBarrier();
${lines(aLoads, (i) => `    aTile${nameOf(t)}[slice * ${aLanes + 1}u + line + ${i * step}u] = as${i};`)}
${lines(bLoads, (i) => `    bTile${nameOf(t)}[slice * ${bLanes + 1}u + line + ${i * step}u] = bs${i};`)}
    workgroupBarrier();
    start += ${t.depth}u;
    if (start < end) {
${indent(load)}
    }
${products(t, aLanes + 1, bLanes + 1, 's')}
  }
${lines(
  t.high,
  (row) => `  {
    let o = rowTile * ${t.rows}u + ${((row >> 2) * t.rows) / t.high + (row & 3) * aLanes}u + down;
    if (o < g.outputs) {
      let to = ((slab * g.groups + part) * g.outputs + o) * columns;
${lines(t.wide, (q) => `      store(to, columnTile * ${t.columns}u + across + ${((q >> 2) * t.columns) / t.wide + (q & 3) * bLanes}u, columns, s${row}_${q >> 2}.${XYZW[q & 3]});`)}
    }
  }`,
)}
}`;
}

/**
 * An entry point of linear_gemm.wgsl. Either operand's elements may be adjacent along the sum or across it: invocations are laid out so that
 * adjacent ones load adjacent elements, by arithmetic and not by a branch.
 */
function linear(t) {
  const size = threads(t);
  const [aLanes, bLanes] = [t.rows / 4, t.columns / 4];
  const [aLoads, bLoads] = [(t.depth * aLanes) / size, (t.depth * bLanes) / size];
  const strips = (lanes) => `vec4u(0, ${lanes}, ${2 * lanes}, ${3 * lanes})`;
  const layout = (m, lanes, near) => `  let ${m}Near = ${near} == 1u;
  let ${m}Slice = select(local / ${lanes}u, local % ${t.depth}u, ${m}Near);
  let ${m}Line = select(local % ${lanes}u, local / ${t.depth}u, ${m}Near);
  let ${m}SliceStep = select(${size / lanes}u, 0u, ${m}Near);
  let ${m}LineStep = select(0u, ${size / t.depth}u, ${m}Near);`;
  const load = `${lines(
    aLoads,
    (i) => `    {
      let k = start + aSlice + ${i}u * aSliceStep;
      let at = select(vec4u(), row${i} + k * g.aColumn, k < end);
      as${i} = select(vec4f(), vec4f(a[at.x], a[at.y], a[at.z], a[at.w]), k < end);
    }`,
  )}
${lines(
  bLoads,
  (i) => `    {
      let k = start + bSlice + ${i}u * bSliceStep;
      let at = select(vec4u(), column${i} + k * g.bRow, k < end);
      bs${i} = select(vec4f(), vec4f(b[at.x], b[at.y], b[at.z], b[at.w]), k < end);
    }`,
)}`;
  return `// ${t.rows} rows x ${t.columns} columns to a workgroup, ${t.high} x ${t.wide} to an invocation.
${head(t, aLanes + 1, bLanes + 1)}
  let columnTiles = (g.columns + ${t.columns - 1}u) / ${t.columns}u;
  let rowTiles = (g.rows + ${t.rows - 1}u) / ${t.rows}u;
${place(null)}
${layout('a', aLanes, 'g.aColumn')}
${layout('b', bLanes, 'g.bRow')}
  // What is past the end repeats the last of its kind and is not stored.
${lines(aLoads, (i) => `  let row${i} = min(vec4u(rowTile * ${t.rows}u + aLine + ${i}u * aLineStep) + ${strips(aLanes)}, vec4u(g.rows - 1u)) * g.aRow;`)}
${lines(bLoads, (i) => `  let column${i} = min(vec4u(columnTile * ${t.columns}u + bLine + ${i}u * bLineStep) + ${strips(bLanes)}, vec4u(g.columns - 1u)) * g.bColumn;`)}
${accumulators(t, 's', 't')}
  var start = slab * g.slabDepth;
  let end = min(start + g.slabDepth, g.depth);
${lines(aLoads, (i) => `  var as${i} = vec4f();`)}
${lines(bLoads, (i) => `  var bs${i} = vec4f();`)}
${load}
  while (start < end) {
    workgroupBarrier();
${lines(aLoads, (i) => `    aTile${nameOf(t)}[(aSlice + ${i}u * aSliceStep) * ${aLanes + 1}u + aLine + ${i}u * aLineStep] = as${i};`)}
${lines(bLoads, (i) => `    bTile${nameOf(t)}[(bSlice + ${i}u * bSliceStep) * ${bLanes + 1}u + bLine + ${i}u * bLineStep] = bs${i};`)}
    workgroupBarrier();
    start += ${t.depth}u;
    if (start < end) {
${indent(load)}
    }
${products(t, aLanes + 1, bLanes + 1, 't')}
    if (start % ${SPAN}u == 0u) {
${tile(t, (row, v) => `      s${row}_${v} += t${row}_${v};\n      t${row}_${v} = vec4f();`)}
    }
  }
${tile(t, (row, v) => `  s${row}_${v} += t${row}_${v};`)}
${lines(
  t.high,
  (row) => `  {
    let m = rowTile * ${t.rows}u + ${((row >> 2) * t.rows) / t.high + (row & 3) * aLanes}u + down;
    if (m < g.rows) {
${lines(t.wide, (q) => `      store(slab, m, columnTile * ${t.columns}u + across + ${((q >> 2) * t.columns) / t.wide + (q & 3) * bLanes}u, s${row}_${q >> 2}.${XYZW[q & 3]});`)}
    }
  }`,
)}
}`;
}

const written = (from) => `Written by
// generateGemm.mjs from ${from}, which holds the equation, the shapes and the conventions; do not edit.`;

const convolutionHeader = `// 2-D convolution for GPUs: an implicit matrix product in workgroup memory. ${written('conv2d.wgsl')}
//
// Output channels are rows, pixels columns, and the sum runs over taps and channels; no matrix of patches is ever written. A tile's invocations
// keep four pixels each for loading, whose bounds and addresses are found once per tap. Where there are too few tiles to fill a GPU, the
// sum is split into \`slabs\` of \`slabSteps\` slices, each with a y of its own, and sum.wgsl adds them in order. Unsplit, results are those of
// conv2d_tile.wgsl to the bit: the same spans in the same order.`;

const weightHeader = `// 2-D convolution, backward to the weights, for GPUs: an implicit matrix product in workgroup memory. ${written('conv2d_weight.wgsl')}
//
// Output channels are rows, [channel, tap] columns, and the sum runs over the pixels of dy, \`slabPixels\` of them to a slab.
// Where x lies outside, zero is multiplied and added.`;

const linearHeader = `// Matrix product with an addend for GPUs, in workgroup memory. ${written('linear.wgsl')}
//
// Where there are too few tiles to fill a GPU, the sum is split into \`slabs\` of \`slabDepth\` products, each with a y of its own, and sum.wgsl adds
// them in order; the addend goes to the first.`;

const storeColumn = `fn store(to: u32, column: u32, columns: u32, value: f32) {
  if (column < columns) {
    partial[to + column] = value;
  }
}`;

const storeProduct = `fn store(slab: u32, m: u32, n: u32, sum: f32) {
  if (n < g.columns) {
    let added = (g.addend == 1u) & (slab == 0u);
    let addend = g.beta * c[select(0u, m * g.cRow + n * g.cColumn, added)];
    y[(slab * g.rows + m) * g.columns + n] = g.alpha * sum + select(0.0, addend, added);
  }
}`;

const small = { high: 4, wide: 4, depth: 16 };

/**
 * The files, from the declarations of the plain kernels: everything between `struct Geometry` and the first entry point.
 * @param conv conv2d.wgsl's with its helpers, w as vec4f; @param weight conv2d_weight.wgsl's; @param product linear.wgsl's, without helpers
 */
export function generateGemm({ conv, weight, product }) {
  const convTiles = [
    { rows: 128, columns: 64, high: 8, wide: 8, depth: 16, unroll: true },
    { rows: 64, columns: 64, high: 8, wide: 4, depth: 16 },
    { rows: 32, columns: 64, ...small },
    { rows: 64, columns: 64, high: 8, wide: 4, depth: 16, flat: true },
    { rows: 32, columns: 64, ...small, flat: true },
  ];
  const weightTiles = [
    { rows: 128, columns: 64, high: 8, wide: 8, depth: 8, unroll: true },
    { rows: 64, columns: 64, high: 8, wide: 4, depth: 8 },
    { rows: 32, columns: 32, ...small },
  ];
  const linearTiles = [
    { rows: 64, columns: 64, high: 8, wide: 4, depth: 16 },
    { rows: 32, columns: 64, ...small },
  ];
  const file = (...parts) => parts.join('\n\n') + '\n';
  return {
    'conv2d_gemm.wgsl': file(
      convolutionHeader,
      conv.replace('  biased: u32,', '  biased: u32,\n  slabs: u32,\n  slabSteps: u32,'),
      ...convTiles.map(convolution),
    ),
    'conv2d_weight_gemm.wgsl': file(
      weightHeader,
      weight.replace('  slabRows: u32,', '  slabPixels: u32,'),
      storeColumn,
      ...weightTiles.map(convolutionWeight),
    ),
    'linear_gemm.wgsl': file(
      linearHeader,
      product.replace(/( {2}\/\/ 0: no addend[^\n]*\n {2}addend: u32,)/, '$1\n  slabs: u32,\n  slabDepth: u32,'),
      storeProduct,
      ...linearTiles.map(linear),
    ),
  };
}
