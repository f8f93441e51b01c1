// Where names of regions stand: beside what they name, never on points, on one another or on hits. No elements here.

const CELL = 3, STEP = 10, TURNS = 28;
// A name may stand on as few points where nothing is free, and this many pixels from what it names; a line that crosses
// another is worth as many pixels more.
const FEW = 0.12, FAR = 190, CROSSING = 90, ATTEMPTS = 4;
// From near there may be points wherever one looks: a part's name that finds no place near by stands where few are.
const THIN = 0.3, CLOSE = 110;

// How many cells of a grid have something in them, as sums from the corner on: any box is counted at once.
export function crowdOf(weight, width, height, ratio) {
  const size = CELL * ratio, cols = Math.ceil(width / size), rows = Math.ceil(height / size), full = new Uint8Array(cols * rows), sums = new Float64Array((cols + 1) * (rows + 1));
  for (let y = 0; y < height; y++) {
    const line = Math.floor(y / size) * cols;
    for (let x = 0, o = y * width; x < width; x++, o++) if (weight[o] > 0.2) full[line + Math.floor(x / size)] = 1;
  }
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++)
    sums[(r + 1) * (cols + 1) + c + 1] = full[r * cols + c] + sums[r * (cols + 1) + c + 1] + sums[(r + 1) * (cols + 1) + c] - sums[r * (cols + 1) + c];
  return { cols, rows, sums };
}
// The share of the cells of a box [left, top, right, bottom] that have something in them.
export function covered({ cols, rows, sums }, [left, top, right, bottom]) {
  const c = (v, most) => Math.min(most, Math.max(0, v)), a = c(Math.floor(left / CELL), cols), b = c(Math.ceil(right / CELL), cols), t = c(Math.floor(top / CELL), rows), e = c(Math.ceil(bottom / CELL), rows);
  const at = (r, k) => sums[r * (cols + 1) + k];
  return (at(e, b) - at(t, b) - at(e, a) + at(t, a)) / Math.max(1, (b - a) * (e - t));
}
const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
const side = (p, q, r) => Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
export function crosses([a, b], [c, d]) {
  return side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
}
function through(line, [l, t, r, b]) {
  return crosses(line, [[l, t], [r, b]]) || crosses(line, [[l, b], [r, t]]);
}

// A region is named by its parts from this zoom on, where it takes as much of the view.
const NEAR = 1.6, WIDE = 0.4;
// The names for what is seen through a lens: of regions, and instead of one that is looked at from near, of its parts.
export function levels(names, to, zoom, width, height) {
  const apart = new Set(names.filter((one) => one.level === 1).map((one) => one.within)), divided = new Set();
  for (const one of names) {
    if (one.level !== 0 || !apart.has(one.number) || zoom < NEAR) continue;
    const [left, bottom, right, top] = one.box, [ax, ay] = to(left, top), [bx, by] = to(right, bottom);
    if (bx - ax > WIDE * width || by - ay > WIDE * height) divided.add(one.number);
  }
  return names.filter((one) => (one.level === 0 ? !divided.has(one.number) : divided.has(one.within)));
}

// `labels`: {x, y, w, h, …}, the more important first, x and y being the middle of what they name; `taken`: boxes that
// nothing may cover. Gives those that have a place, each with its `box`, and its `line` where it does not stand beside.
export function placed(labels, crowd, width, height, taken) {
  let order = labels, best = inOrder(order, crowd, width, height, taken);
  // Try again with the names first whose lines cross others. Keep the result with fewer crossings and shorter lines.
  for (let turn = 0; turn < ATTEMPTS && best.some((one) => one.tangled); turn++) {
    const tangled = new Set(best.filter((one) => one.tangled).map((one) => one.name));
    order = [...order.filter((one) => tangled.has(one)), ...order.filter((one) => !tangled.has(one))];
    const next = inOrder(order, crowd, width, height, taken);
    if (next.length >= best.length && worth(next) > worth(best)) best = next;
  }
  return best;
}
const worth = (found) => found.reduce((sum, one) => sum + FAR + CROSSING - one.cost, 0);

export function inOrder(labels, crowd, width, height, taken) {
  const found = [];
  for (const one of labels) {
    if (one.x < 0 || one.y < 0 || one.x > width || one.y > height) continue;
    let best = null;
    for (const [few, reach] of one.level === 1 ? [[0, CLOSE], [FEW, CLOSE], [THIN, CLOSE], [0, FAR], [FEW, FAR]] : [[0, FAR], [FEW, FAR]]) {
      for (let far = 0; far <= reach && !(best && best.cost <= far); far += STEP) {
        for (let turn = 0; turn < (far ? TURNS : 1); turn++) {
          const angle = (turn / TURNS) * 2 * Math.PI - Math.PI / 2, x = one.x + far * Math.cos(angle) + (one.w / 2) * Math.cos(angle), y = one.y + far * Math.sin(angle);
          const box = [x - one.w / 2, y - one.h / 2, x + one.w / 2, y + one.h / 2];
          if (box[0] < 3 || box[1] < 3 || box[2] > width - 3 || box[3] > height - 3) continue;
          if (taken.some((other) => meet(box, other)) || found.some((other) => meet(box, other.box)) || covered(crowd, box) > few) continue;
          const line = [[one.x, one.y], [Math.min(box[2], Math.max(box[0], one.x)), Math.min(box[3], Math.max(box[1], one.y))]];
          if (found.some((other) => through(line, other.box) || through(other.line, box))) continue;
          const tangled = found.some((other) => crosses(line, other.line)), cost = far + (tangled ? CROSSING : 0);
          if (!best || cost < best.cost) best = { ...one, name: one, box, line, cost, tangled };
        }
      }
      if (best) break;
    }
    if (best) found.push(best);
  }
  return found;
}
