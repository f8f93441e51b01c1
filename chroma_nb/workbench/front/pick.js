// Which points lie where: below the pointer, inside a line drawn around them. No elements here.

const GRID = 256, CELL = 65536 / GRID;

// The rows by cell of a grid over the square.
export function indexOf(points) {
  const n = points.length / 2, start = new Int32Array(GRID * GRID + 1), rows = new Int32Array(n);
  const cell = (i) => (points[2 * i + 1] >> 8) * GRID + (points[2 * i] >> 8);
  for (let i = 0; i < n; i++) start[cell(i) + 1]++;
  for (let c = 0; c < GRID * GRID; c++) start[c + 1] += start[c];
  const next = start.slice();
  for (let i = 0; i < n; i++) rows[next[cell(i)]++] = i;
  return { points, start, rows };
}
// The row nearest to (x, y), in units of the places, not farther than an ellipse of rx by ry; -1 where there is none.
export function nearest({ points, start, rows }, x, y, rx, ry, takes = () => true) {
  const clamp = (v) => Math.min(GRID - 1, Math.max(0, Math.floor(v / CELL)));
  let best = -1, near = 1;
  for (let gy = clamp(y - ry); gy <= clamp(y + ry); gy++) for (let gx = clamp(x - rx); gx <= clamp(x + rx); gx++) {
    for (let j = start[gy * GRID + gx]; j < start[gy * GRID + gx + 1]; j++) {
      const i = rows[j], d = ((points[2 * i] - x) / rx) ** 2 + ((points[2 * i + 1] - y) / ry) ** 2;
      if (d < near && takes(i)) { near = d; best = i; }
    }
  }
  return best;
}
// The rows inside a polygon of pairs, in units of the places.
export function inside(points, polygon, takes = () => true) {
  const xs = Float64Array.from(polygon, (p) => p[0]), ys = Float64Array.from(polygon, (p) => p[1]), m = polygon.length;
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys), found = [];
  for (let i = 0, n = points.length / 2; i < n; i++) {
    const x = points[2 * i], y = points[2 * i + 1];
    if (x < left || x > right || y < low || y > high) continue;
    let within = false;
    for (let j = 0, k = m - 1; j < m; k = j++) if ((ys[j] > y) !== (ys[k] > y) && x < ((xs[k] - xs[j]) * (y - ys[j])) / (ys[k] - ys[j]) + xs[j]) within = !within;
    if (within && takes(i)) found.push(i);
  }
  return Int32Array.from(found);
}
// The box around those points that count, as shares of the square; null where there are none.
export function boxOf(points, takes) {
  let left = Infinity, right = -Infinity, low = Infinity, high = -Infinity;
  for (let i = 0, n = points.length / 2; i < n; i++) if (takes(i)) {
    const x = points[2 * i], y = points[2 * i + 1];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < low) low = y;
    if (y > high) high = y;
  }
  return left > right ? null : [left, low, right, high].map((v) => v / 65535);
}
// A byte a row from a bit a row.
export function unpacked(bits, count) {
  const found = new Uint8Array(count);
  for (let i = 0; i < count; i++) found[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return found;
}
