/**
 * Kernels for windows that slide along a row by one and are three to five wide: adjacent taps then read almost the same pixels, so that
 * adjacent outputs share their loads. Part of conv2d_quad.wgsl and conv2d_weight_quad.wgsl, which generate.mjs writes.
 */
import { lines, range, table } from './text.mjs';

const TAPS = 3;
/** Channels that one accumulator takes in, some taps of each, before it is added to the total. */
const SPAN = 32;

/**
 * `pixels` adjacent outputs of a row x `outputs` channels, of a window `taps` wide. A quad's members need the same weights: of 16 channels each
 * loads four for every tap, of 4 channels all four for one tap, and they are broadcast.
 */
export function rowEntry({ name, pixels, outputs, taps }, workgroup, store) {
  const window = pixels + taps - 1;
  const vectors = outputs / 4;
  const each = (line) => lines(pixels, (p) => lines(vectors, (v) => line(`${p}_${v}`)));
  const load = (i) => `        let x${i} = select(0.0, x[at${i} + channel], in${i});`;
  // The weights of tap k, counted from the left, lie at row k; the taps themselves may run to the left.
  const shared =
    vectors > 1
      ? {
          base: ' + (member & 3u)',
          rows: (k) => `      var row${k} = base + ((kh * ${taps}u + u32(abs(${k} - leftmost))) * g.inputs + begin) * pitch;`,
          count: taps,
          weights: (k) => `        let own${k} = w[row${k}];
${lines(vectors, (v) => `        let w${k}_${v} = quadBroadcast(own${k}, ${v}u);`)}`,
        }
      : {
          base: '',
          rows: () => `      let tap = abs(i32(min(member & 3u, ${taps - 1}u)) - leftmost);
      var row0 = base + ((kh * ${taps}u + u32(tap)) * g.inputs + begin) * pitch;`,
          count: 1,
          weights: () => `        let own0 = w[row0];
${lines(taps, (k) => `        let w${k}_0 = quadBroadcast(own0, ${k}u);`)}`,
        };
  // A pixel is loaded while the one before is multiplied, since a load is a long chain of its own.
  const multiply = (p) =>
    `${p + taps < window ? `${load(p + taps)}\n` : ''}${lines(taps, (k) =>
      lines(vectors, (v) => `        t${p}_${v} = fma(vec4f(x${p + k}), w${k}_${v}, t${p}_${v});`),
    )}`;
  return `// ${pixels} adjacent pixels of a row x ${outputs} output channels, of a window ${taps} wide.
@compute @workgroup_size(${workgroup})
fn ${name}(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  let strips = (g.gridWidth + ${pixels - 1}u) / ${pixels}u;
  let count = g.batch * g.gridHeight * strips;
  let lanes = (count + 3u) / 4u * 4u;
  let tiles = g.outputsPadded / ${outputs}u;
  let index = (group.y * groups.x + group.x) * ${workgroup}u + local;
  let lane = index % lanes;
  let first = index / lanes % tiles * ${outputs}u;
  let item = index / (lanes * tiles);
  let part = min(item, g.groups - 1u);
  let plane = u32(g.xHeight * g.xWidth);
  // The strip; the last one stands in for those past the end.
  let strip = min(lane, count - 1u);
  let start = Pixel(strip / (g.gridHeight * strips), strip / strips % g.gridHeight, strip % strips * ${pixels}u);
  let top = i32(start.i) * g.xStrideHeight + g.xOffsetHeight;
  // The leftmost column that the strip reads: taps run to the left of it or to the right.
  let left = i32(start.j) + g.xOffsetWidth + min(0, ${taps - 1} * g.xStepWidth);
  let leftmost = select(0, ${taps - 1}, g.xStepWidth < 0);
  let image = (start.n * g.groups + part) * g.inputs * plane;
${each((t) => `  var s${t} = vec4f();`)}
  let pitch = g.outputsPadded / 4u;
  let base = part * g.kernelHeight * ${taps}u * g.inputs * pitch + first / 4u${shared.base};
  for (var begin = 0u; begin < g.inputs; begin += ${SPAN}u) {
    let end = min(begin + ${SPAN}u, g.inputs);
    for (var kh = 0u; kh < g.kernelHeight; kh++) {
      let i = top + i32(kh) * g.xStepHeight;
      let inside = u32(i) < u32(g.xHeight);
      let line = image + u32(i * g.xWidth);
${lines(window, (i) => `      let in${i} = inside & (u32(left + ${i}) < u32(g.xWidth));`)}
${lines(window, (i) => `      let at${i} = select(0u, line + u32(left + ${i}), in${i});`)}
${lines(shared.count, shared.rows)}
${each((t) => `      var t${t} = vec4f();`)}
      for (var c = begin; c < end; c++) {
        let channel = c * plane;
${lines(shared.count, shared.weights)}
${lines(taps, load)}
${lines(pixels, multiply)}
${lines(shared.count, (k) => `        row${k} += pitch;`)}
      }
${each((t) => `      s${t} += t${t};`)}
    }
  }
  if (item >= g.groups) {
    return;
  }
${store}
}`;
}

/** Where the sums of a row go; pixels past its end stand in for the last one. */
export const rowPlaces = {
  to: (pixels) => `  let origin = address(start, part * g.outputs + first);
  let last = g.gridWidth - 1u - start.j;
${lines(pixels, (p) => `  let to${p} = origin + min(${p}u, last) * g.yStrideWidth;`)}`,
  inside: (p) => `(lane < count) & (${p}u <= last)`,
};

/** conv2d_weight.wgsl's sum for 8 output channels x 3 rows of three taps: a turn takes two columns of dy, and four of x, two of them from the last turn. */
export function weightRows(name, workgroup) {
  const [rows, turn, outputs] = [3, 2, 8];
  const vectors = outputs / 4;
  const each = (line) => lines(rows * TAPS, (p) => lines(vectors, (v) => line(`${p}_${v}`, p, v)));
  const kept = (line) =>
    range(rows)
      .map((q) => lines(TAPS - 1, (j) => line(q, j)))
      .join('\n');
  const value = (q, j) => (j < TAPS - 1 ? `kept${q}_${j}` : `x${q}_${j}`);
  const load = (q, j, at, indent) => `${indent}let ok${q}_${j} = in${q} & (u32(${at} + ${j}) < u32(g.xWidth));
${indent}${j < TAPS - 1 ? `var kept${q}_${j}` : `let x${q}_${j}`} = select(0.0, x[select(0u, u32(row${q} + ${at} + ${j}), ok${q}_${j})], ok${q}_${j});`;
  const column = (u) => `${lines(rows, (q) => load(q, TAPS - 1 + u, 'right', '      '))}
${lines(vectors, (v) => `      let own${u}_${v} = ${u === 0 ? `dy[m${v} + place0]` : `select(0.0, dy[m${v} + place1], more)`};`)}
${lines(
  vectors,
  (v) =>
    `      let d${u}_${v} = vec4f(${range(4)
      .map((k) => `quadBroadcast(own${u}_${v}, ${k}u)`)
      .join(', ')});`,
)}
${range(rows)
  .map((q) =>
    lines(TAPS, (k) =>
      lines(vectors, (v) => `      s${q * TAPS + k}_${v} = fma(vec4f(${value(q, u + k)}), d${u}_${v}, s${q * TAPS + k}_${v});`),
    ),
  )
  .join('\n')}`;
  return `// ${outputs} output channels x 3 rows of three taps, of a window three wide that moves along rows by one. A turn takes two columns of dy.
@compute @workgroup_size(${workgroup})
fn ${name}(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) member: u32,
) {
  // index = (((slab * groups + part) * outputTiles + outputTile) * lanes + lane
  let count = g.inputs * g.kernelHeight;
  let lanes = (count + ${4 * rows - 1}u) / ${4 * rows}u * 4u;
  let outputTiles = (g.outputs + ${outputs - 1}u) / ${outputs}u;
  let index = (group.y * groups.x + group.x) * ${workgroup}u + local;
  let lane = index % lanes;
  let o = index / lanes % outputTiles * ${outputs}u;
  let part = index / (lanes * outputTiles) % g.groups;
  let slab = index / (lanes * outputTiles * g.groups);
  let xPlane = g.xHeight * g.xWidth;
  let yPlane = u32(g.yHeight * g.yWidth);
${lines(rows, (q) => `  let pair${q} = min(lane + ${q}u * lanes, count - 1u);`)}
${lines(rows, (q) => `  let top${q} = i32(pair${q} % g.kernelHeight) * g.dilationHeight - g.padTop;`)}
${lines(rows, (q) => `  let plane${q} = i32(pair${q} / g.kernelHeight) * xPlane;`)}
  let left = -g.padLeft;
${lines(vectors, (v) => `  let m${v} = min(o + ${4 * v}u + (member & 3u), g.outputs - 1u) * yPlane;`)}
${each((t) => `  var s${t} = vec4f();`)}
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
${lines(rows, (q) => `    let in${q} = (wanted < rows) & (u32(down + top${q}) < u32(g.xHeight));`)}
${lines(rows, (q) => `    let row${q} = image + plane${q} + top${q} * g.xWidth;`)}
${range(rows)
  .map((q) => lines(TAPS - 1, (j) => load(q, j, 'left', '    ')))
  .join('\n')}
    for (var ow = 0; ow < g.yWidth; ow += ${turn}) {
      let right = ow + left;
      let more = ow + 1 < g.yWidth;
      let place0 = yRow + u32(ow);
      let place1 = select(place0, place0 + 1u, more);
${lines(turn, column)}
${kept((q, j) => `      kept${q}_${j} = ${value(q, j + turn)};`)}
    }
  }
  if (slab >= g.slabs) {
    return;
  }
${table(rows * TAPS, outputs)}
  for (var i = 0u; i < min(${outputs}u, g.outputs - o); i++) {
    let row = sums[i];
    let to = (((slab * g.groups + part) * g.outputs + o + i) * count + lane) * ${TAPS}u;
${lines(rows, (q) => `    if (lane + ${q}u * lanes < count) {\n${lines(TAPS, (k) => `      partial[to + ${q * TAPS}u * lanes + ${k}u] = row[${q * TAPS + k}];`)}\n    }`)}
  }
}`;
}
