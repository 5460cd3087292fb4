/** Symmetric 3x3 matrices, stored as [xx, xy, xz, yy, yz, zz]: determinant, inverse, principal axis. */

export type Symmetric = readonly [number, number, number, number, number, number];

export function determinant([a, b, c, d, e, f]: Symmetric): number {
  return a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d);
}

/** The inverse; entries are not finite where the determinant is 0. */
export function inverse(m: Symmetric): Symmetric {
  const [a, b, c, d, e, f] = m;
  const scale = 1 / determinant(m);
  return [
    (d * f - e * e) * scale,
    (c * e - b * f) * scale,
    (b * e - c * d) * scale,
    (a * f - c * c) * scale,
    (b * c - a * e) * scale,
    (a * d - b * b) * scale,
  ];
}

/** m + s times the identity. */
export function plusDiagonal([a, b, c, d, e, f]: Symmetric, s: number): Symmetric {
  return [a + s, b, c, d + s, e, f + s];
}

/** 1 / (|m| |m^-1|) in the 1-norm: near 1 for a sphere, 0 for a matrix without inverse. */
export function reciprocalCondition(m: Symmetric): number {
  const value = 1 / (norm(m) * norm(inverse(m)));
  return Number.isFinite(value) ? value : 0;
}

function norm([a, b, c, d, e, f]: Symmetric): number {
  const [A, B, C, D, E, F] = [a, b, c, d, e, f].map(Math.abs);
  return Math.max(A + B + C, B + D + E, C + E + F);
}

/** The largest eigenvalue and its unit eigenvector, by Jacobi's rotations. */
export function principalAxis(m: Symmetric): { readonly value: number; readonly axis: readonly [number, number, number] } {
  const [a, b, c, d, e, f] = m;
  const s = [
    [a, b, c],
    [b, d, e],
    [c, e, f],
  ];
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  // Convergence is quadratic: six sweeps bring any 3x3 matrix to rounding.
  for (let sweep = 0; sweep < 8; sweep++) {
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      if (s[p][q] === 0) continue;
      const theta = (s[q][q] - s[p][p]) / (2 * s[p][q]);
      const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
      const cos = 1 / Math.sqrt(t * t + 1);
      const sin = t * cos;
      for (let k = 0; k < 3; k++) [s[k][p], s[k][q]] = [cos * s[k][p] - sin * s[k][q], sin * s[k][p] + cos * s[k][q]];
      for (let k = 0; k < 3; k++) [s[p][k], s[q][k]] = [cos * s[p][k] - sin * s[q][k], sin * s[p][k] + cos * s[q][k]];
      for (let k = 0; k < 3; k++) [v[k][p], v[k][q]] = [cos * v[k][p] - sin * v[k][q], sin * v[k][p] + cos * v[k][q]];
    }
  }
  const values = [s[0][0], s[1][1], s[2][2]];
  const best = values.indexOf(Math.max(...values));
  return { value: values[best], axis: [v[0][best], v[1][best], v[2][best]] };
}
