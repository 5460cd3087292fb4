// Dropout with a mask that is a pure function of (seed, iteration, salt, element): nothing is stored, forward and backward agree, and the
// same seed draws the same masks on every adapter.
//
//   forward, backward   y = x / (1 - ratio) where the element is kept, else 0
//
// An element is kept where its 32-bit hash is at least `threshold` = round(ratio * 2^32).
// Hash: the PCG output permutation (RXS-M-XS), chained. Source: Jarzynski & Olano 2020, "Hash functions for GPU rendering".

struct Geometry {
  count: u32,
  salt: u32,
  threshold: u32,
  factor: f32,
}

@group(0) @binding(0) var<uniform> g: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
// [seed, iteration]
@group(0) @binding(2) var<storage, read> random: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn pcg(v: u32) -> u32 {
  let state = v * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(64)
fn apply(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= g.count) {
    return;
  }
  let h = pcg(i ^ pcg(random[1] ^ pcg(random[0] ^ pcg(g.salt))));
  y[i] = select(0.0, x[i] * g.factor, h >= g.threshold);
}
