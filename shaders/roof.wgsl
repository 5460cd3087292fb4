// What a device can do at most, measured: multiply-adds that wait for nothing but their own chain, streams of reads and of copies, and a
// dispatch that does nothing. The benchmark holds kernels against these.
//
//     fmaScalar   16 chains of v <- v a + b to an invocation, 64 links each a turn: 2 * 16 * 64 FLOP a turn
//     fmaVector   the same with vec4f: four times as many FLOP
//     readStream  the sum of a buffer of vec4u, read once
//     copyStream  a buffer of vec4u copied
//     nothing     one workgroup that writes one word
//
// a and b come from the uniform block, so that nothing can be worked out beforehand; with |a| < 1 the chains stay finite and normal.

struct Geometry {
  // Of vec4u.
  count: u32,
  // Invocations in all.
  invocations: u32,
  turns: u32,
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> source: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> word: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

fn links4(v: f32, a: f32, b: f32) -> f32 {
  return fma(fma(fma(fma(v, a, b), a, b), a, b), a, b);
}

fn vectorLinks4(v: vec4f, a: vec4f, b: vec4f) -> vec4f {
  return fma(fma(fma(fma(v, a, b), a, b), a, b), a, b);
}

struct Chains {
  c0: f32, c1: f32, c2: f32, c3: f32, c4: f32, c5: f32, c6: f32, c7: f32,
  c8: f32, c9: f32, c10: f32, c11: f32, c12: f32, c13: f32, c14: f32, c15: f32,
}

struct VectorChains {
  c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f, c4: vec4f, c5: vec4f, c6: vec4f, c7: vec4f,
  c8: vec4f, c9: vec4f, c10: vec4f, c11: vec4f, c12: vec4f, c13: vec4f, c14: vec4f, c15: vec4f,
}

fn all4(c: Chains, a: f32, b: f32) -> Chains {
  return Chains(
    links4(c.c0, a, b), links4(c.c1, a, b), links4(c.c2, a, b), links4(c.c3, a, b),
    links4(c.c4, a, b), links4(c.c5, a, b), links4(c.c6, a, b), links4(c.c7, a, b),
    links4(c.c8, a, b), links4(c.c9, a, b), links4(c.c10, a, b), links4(c.c11, a, b),
    links4(c.c12, a, b), links4(c.c13, a, b), links4(c.c14, a, b), links4(c.c15, a, b));
}

fn allVectors4(c: VectorChains, a: vec4f, b: vec4f) -> VectorChains {
  return VectorChains(
    vectorLinks4(c.c0, a, b), vectorLinks4(c.c1, a, b), vectorLinks4(c.c2, a, b), vectorLinks4(c.c3, a, b),
    vectorLinks4(c.c4, a, b), vectorLinks4(c.c5, a, b), vectorLinks4(c.c6, a, b), vectorLinks4(c.c7, a, b),
    vectorLinks4(c.c8, a, b), vectorLinks4(c.c9, a, b), vectorLinks4(c.c10, a, b), vectorLinks4(c.c11, a, b),
    vectorLinks4(c.c12, a, b), vectorLinks4(c.c13, a, b), vectorLinks4(c.c14, a, b), vectorLinks4(c.c15, a, b));
}

fn all16(c: Chains, a: f32, b: f32) -> Chains {
  return all4(all4(all4(all4(c, a, b), a, b), a, b), a, b);
}

fn allVectors16(c: VectorChains, a: vec4f, b: vec4f) -> VectorChains {
  return allVectors4(allVectors4(allVectors4(allVectors4(c, a, b), a, b), a, b), a, b);
}

@compute @workgroup_size(64)
fn fmaScalar(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + l;
  let f = f32(i & 15u);
  var c = Chains(f, f + 1.0, f + 2.0, f + 3.0, f + 4.0, f + 5.0, f + 6.0, f + 7.0,
    f + 8.0, f + 9.0, f + 10.0, f + 11.0, f + 12.0, f + 13.0, f + 14.0, f + 15.0);
  let a = g.a;
  let b = g.b;
  for (var t = 0u; t < g.turns; t++) {
    c = all16(all16(all16(all16(c, a, b), a, b), a, b), a, b);
  }
  if (i >= g.invocations) {
    return;
  }
  sums[i] = c.c0 + c.c1 + c.c2 + c.c3 + c.c4 + c.c5 + c.c6 + c.c7 + c.c8 + c.c9 + c.c10 + c.c11 + c.c12 + c.c13 + c.c14 + c.c15;
}

@compute @workgroup_size(64)
fn fmaVector(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + l;
  let f = vec4f(0.0, 0.25, 0.5, 0.75) + f32(i & 15u);
  var c = VectorChains(f, f + 1.0, f + 2.0, f + 3.0, f + 4.0, f + 5.0, f + 6.0, f + 7.0,
    f + 8.0, f + 9.0, f + 10.0, f + 11.0, f + 12.0, f + 13.0, f + 14.0, f + 15.0);
  let a = vec4f(g.a);
  let b = vec4f(g.b);
  for (var t = 0u; t < g.turns; t++) {
    c = allVectors16(allVectors16(allVectors16(allVectors16(c, a, b), a, b), a, b), a, b);
  }
  if (i >= g.invocations) {
    return;
  }
  let s = c.c0 + c.c1 + c.c2 + c.c3 + c.c4 + c.c5 + c.c6 + c.c7 + c.c8 + c.c9 + c.c10 + c.c11 + c.c12 + c.c13 + c.c14 + c.c15;
  sums[i] = s.x + s.y + s.z + s.w;
}

// Eight loads are under way at a time; neighbours read neighbours.
@compute @workgroup_size(64)
fn readStream(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + l;
  if (i >= g.invocations) {
    return;
  }
  let p = g.invocations;
  var sum = vec4u(0u);
  for (var at = i; at < g.count; at += 8u * p) {
    sum += source[at] + source[at + p] + source[at + 2u * p] + source[at + 3u * p]
      + source[at + 4u * p] + source[at + 5u * p] + source[at + 6u * p] + source[at + 7u * p];
  }
  sums[i] = f32(sum.x + sum.y + sum.z + sum.w);
}

@compute @workgroup_size(64)
fn copyStream(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + l;
  if (i >= g.invocations) {
    return;
  }
  let p = g.invocations;
  for (var at = i; at < g.count; at += 4u * p) {
    let v0 = source[at];
    let v1 = source[at + p];
    let v2 = source[at + 2u * p];
    let v3 = source[at + 3u * p];
    result[at] = v0;
    result[at + p] = v1;
    result[at + 2u * p] = v2;
    result[at + 3u * p] = v3;
  }
}

@compute @workgroup_size(1)
fn nothing() {
  word[0] = 1u;
}
