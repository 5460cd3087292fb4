// Global average and global max pooling over everything behind the channel.
//
//   averageForward    y[p] = (sum over i of x[p, i]) / extent
//   averageBackward   dx[p, i] = dy[p] / extent
//   maxForward        y[p] = max over i of x[p, i]; winners[p] = the first i that attains it
//   maxBackward       dx[p, i] = dy[p] if i == winners[p], else 0
//   chooseWinners     other winners for `maxBackward`: the first or last maximum, or the middle of the plane
//   shareTies         share[p] = dy[p] / how many i attain y[p]
//   tiesBackward      dx[p, i] = share[p] if x[p, i] == y[p], else 0
//
//   x, dx [planes, extent]    y, dy, winners [planes]    planes = N*C
//
// Conventions: the first maximum wins; a NaN wins over every number and ties with NaN. `middle` is the flat index of the plane's middle element.

// 0 the first maximum, 1 the last, 2 the middle
override choice: u32 = 0u;

struct Geometry {
  planes: u32,
  extent: u32,
  middle: u32,
}

@group(0) @binding(0) var<uniform> geometry: Geometry;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> winners: array<u32>;

@compute @workgroup_size(64)
fn averageForward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = (group.y * groups.x + group.x) * 64u + local;
  if (p >= geometry.planes) {
    return;
  }
  var sum = 0.0;
  for (var i = 0u; i < geometry.extent; i++) {
    sum += x[p * geometry.extent + i];
  }
  y[p] = sum / f32(geometry.extent);
}

fn isNan(v: f32) -> bool {
  // Compilers may assume that v == v.
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn equal(a: f32, b: f32) -> bool {
  return a == b || (isNan(a) && isNan(b));
}

fn winner(p: u32) -> u32 {
  var best = x[p * geometry.extent];
  var place = 0u;
  for (var i = 1u; i < geometry.extent; i++) {
    let v = x[p * geometry.extent + i];
    if (v > best || (isNan(v) && !isNan(best)) || (choice == 1u && equal(v, best))) {
      best = v;
      place = i;
    }
  }
  return place;
}

@compute @workgroup_size(64)
fn maxForward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = (group.y * groups.x + group.x) * 64u + local;
  if (p >= geometry.planes) {
    return;
  }
  let place = winner(p);
  y[p] = x[p * geometry.extent + place];
  winners[p] = place;
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> savedWinners: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn averageBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= geometry.planes * geometry.extent) {
    return;
  }
  dx[i] = dy[i / geometry.extent] / f32(geometry.extent);
}

@compute @workgroup_size(64)
fn maxBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= geometry.planes * geometry.extent) {
    return;
  }
  let p = i / geometry.extent;
  dx[i] = select(0.0, dy[p], savedWinners[p] == i % geometry.extent);
}

@compute @workgroup_size(64)
fn chooseWinners(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = (group.y * groups.x + group.x) * 64u + local;
  if (p >= geometry.planes) {
    return;
  }
  winners[p] = select(winner(p), geometry.middle, choice == 2u);
}

@group(0) @binding(2) var<storage, read> maxima: array<f32>;
@group(0) @binding(3) var<storage, read> signal: array<f32>;
@group(0) @binding(4) var<storage, read_write> share: array<f32>;

@compute @workgroup_size(64)
fn shareTies(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = (group.y * groups.x + group.x) * 64u + local;
  if (p >= geometry.planes) {
    return;
  }
  var ties = 0.0;
  for (var i = 0u; i < geometry.extent; i++) {
    ties += select(0.0, 1.0, equal(x[p * geometry.extent + i], maxima[p]));
  }
  share[p] = signal[p] / ties;
}

@group(0) @binding(3) var<storage, read> shares: array<f32>;
@group(0) @binding(4) var<storage, read_write> tied: array<f32>;

@compute @workgroup_size(64)
fn tiesBackward(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= geometry.planes * geometry.extent) {
    return;
  }
  let p = i / geometry.extent;
  tied[i] = select(0.0, shares[p], equal(x[i], maxima[p]));
}
