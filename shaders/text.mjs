/** What the writers of unrolled kernels share. */

export const range = (n) => Array.from({ length: n }, (_, i) => i);

export const lines = (n, line) => range(n).map(line).join('\n');

/** Accumulators s0_0, s1_0, ... of `columns` x `rows` / 4 vectors as an array of rows, so that a loop can go through them. */
export const table = (columns, rows) => `  let sums = array<array<f32, ${columns}>, ${rows}>(
${lines(
  rows,
  (o) =>
    `    array<f32, ${columns}>(${range(columns)
      .map((p) => `s${p}_${o >> 2}.${'xyzw'[o & 3]}`)
      .join(', ')}),`,
)}
  );`;
