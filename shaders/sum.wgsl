// Ordered sums over two axes of a strided tensor: bias gradients, split sums, the adjoint of a broadcast.
//
//   y[i] = scale * sum over p < outer, then q < inner, of x[i*pitch + p*outerPitch + q*innerPitch]
//
//   y [count]; x any tensor that the pitches stay within.
//
// Source: the definition. The order is fixed, so the same input gives the same bits.

struct Geometry {
  count: u32,
  pitch: u32,
  outer: u32, outerPitch: u32,
  inner: u32, innerPitch: u32,
  scale: f32,
  // What becomes of a sum as it is stored; see finishing().
  activation: u32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// Shaped as y; any tensor where no activation asks for it.
@group(0) @binding(3) var<storage, read> gate: array<f32>;

// How a value is stored where a ReLU is computed along with this layer: the numbers that it stops, seen as bits, are `count` from `start` on; and
// whether the gate's sign counts too.
struct Finish {
  start: u32,
  count: u32,
  gated: bool,
  open: bool,
}

// The bits of `activation`: 1 values above zero pass, 2 NaN passes too, 4 what stands where gate > 0 passes, 8 where gate = 0 too. Both 1 and 4 must
// hold where both are set. So 3 is ReLU forward, and on the way down 1 is deconvnet, 4 gradient, 5 guided and 0 linear, as in relu.wgsl.
fn finishing() -> Finish {
  let signal = vec2u(0x7f800001u, 0x807fffffu);
  let forward = vec2u(0x80000000u, 0x7f800001u);
  let stopped = select(select(vec2u(), signal, (g.activation & 1u) != 0u), forward, (g.activation & 3u) == 3u);
  return Finish(stopped.x, stopped.y, (g.activation & 4u) != 0u, (g.activation & 8u) != 0u);
}

// By its bits: no compiler makes of this a maximum, which drops NaN.
fn signed(value: f32, f: Finish) -> f32 {
  return select(value, 0.0, bitcast<u32>(value) - f.start < f.count);
}

fn passed(value: f32, place: u32, f: Finish) -> f32 {
  let x = gate[place];
  return select(0.0, value, (x > 0.0) | ((x == 0.0) & f.open));
}

fn finish(value: f32, place: u32, f: Finish) -> f32 {
  let v = signed(value, f);
  if (f.gated) {
    return passed(v, place, f);
  }
  return v;
}

@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  var total = 0.0;
  for (var p = 0u; p < g.outer; p++) {
    for (var q = 0u; q < g.inner; q++) {
      total += x[i * g.pitch + p * g.outerPitch + q * g.innerPitch];
    }
  }
  y[i] = finish(g.scale * total, i, finishing());
}
