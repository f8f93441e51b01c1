// Points drawn into the bytes of a picture: weights are summed by pixel, and the denser the more opaque. No elements here.

export const SIDE = 65535;
// A part of the space may be drawn longer in one direction than in the other by as much, so that the map fills its place.
const STRETCH = 1.8;
// How visible a point is: as shown, as not selected, as filtered out; and what the last of these reach at most.
const UNSELECTED = 0.22, OUT_WEIGHT = 0.5, OUT_MOST = 0.3;

// Pixels of the unit square in both directions, so that `home` (left, bottom, right, top) fills `width` by `height`.
export function fit(home, width, height, edge) {
  const [left, bottom, right, top] = home, w = Math.max(40, width - 2 * edge), h = Math.max(40, height - 2 * edge);
  const across = right - left, up = top - bottom;
  let kx = across > 0 ? w / across : Infinity, ky = up > 0 ? h / up : Infinity;
  if (!Number.isFinite(kx) && !Number.isFinite(ky)) kx = ky = Math.min(w, h);
  if (kx > ky * STRETCH) kx = ky * STRETCH; else if (ky > kx * STRETCH) ky = kx * STRETCH;
  return { x: (left + right) / 2, y: (bottom + top) / 2, kx, ky };
}
// The view that shows this box; `base` is what `fit` gave for all of it. A single point is not looked at from too near.
export function viewOf(box, base, width, height, edge) {
  const [left, bottom, right, top] = box, w = width - 2 * edge, h = height - 2 * edge;
  const zoom = Math.min(w / Math.max(1e-9, (right - left) * base.kx), h / Math.max(1e-9, (top - bottom) * base.ky));
  return { x: (left + right) / 2, y: (bottom + top) / 2, zoom: limited(Math.min(zoom, 40)) };
}
export function limited(zoom) {
  return Math.min(400, Math.max(0.5, zoom));
}
// From the unit square to pixels and back. `view`: the centre and how near; `r` is pixels of the screen by pixel.
export function lens(view, base, width, height, r = 1) {
  const kx = base.kx * view.zoom * r, ky = base.ky * view.zoom * r, ox = (width * r) / 2 - view.x * kx, oy = (height * r) / 2 + view.y * ky;
  return { kx, ky, ox, oy, to: (x, y) => [x * kx + ox, oy - y * ky], from: (X, Y) => [(X - ox) / kx, (oy - Y) / ky] };
}
// Half the width of a point: the more there are the smaller, larger when looked at from near.
export function radius(count, zoom) {
  return Math.min(8, Math.min(4.6, Math.max(0.8, 4.6 * Math.pow(500 / Math.max(500, count), 0.27))) * Math.pow(Math.max(1, zoom), 0.32));
}
// The pixels of a disc around a pixel, as steps in a picture `width` wide, and how much of each is covered.
export function stamp(r, width) {
  const reach = Math.ceil(r), steps = [], cover = [];
  for (let y = -reach; y <= reach; y++) for (let x = -reach; x <= reach; x++) {
    const a = Math.min(1, Math.max(0, r + 0.5 - Math.hypot(x, y)));
    if (a > 0) { steps.push(y * width + x); cover.push(a); }
  }
  return { reach, steps: Int32Array.from(steps), cover: Float32Array.from(cover) };
}

// A colour as it is drawn on dark pages, where the darkest would vanish: a quarter of the way to white.
export function lifted(colour, dark) {
  return dark ? colour.map((v) => v + (255 - v) * 0.25) : colour;
}

// Room that is used again from one picture to the next.
export function canvasRoom() {
  let size = 0, room = null;
  return (pixels) => {
    if (pixels > size) { size = pixels; room = { weight: new Float32Array(size), out: new Float32Array(size), colour: new Float32Array(3 * size) }; }
    else { room.weight.fill(0, 0, pixels); room.out.fill(0, 0, pixels); room.colour.fill(0, 0, 3 * pixels); }
    return room;
  };
}

// Draw `points` (pairs of uint16) into `pixels` (RGBA, width by height). `codes`: a byte a point, of `palette` ([r, g, b]);
// `shown`, `only` and `chosen`: a byte a point, or null for all; `out` is the colour of what is not shown.
// Gives the weights by pixel, of which labels keep clear.
export function draw({ points, codes, shown, chosen, only, palette, out, lens: at, radius: r, width, height, pixels, room }) {
  const n = points.length / 2, { reach, steps, cover } = stamp(r, width), { weight, out: outside, colour } = room(width * height);
  const kx = at.kx / SIDE, ky = at.ky / SIDE, right = width - reach - 1, low = height - reach - 1;
  const single = steps.length;
  for (let i = 0; i < n; i++) {
    const X = (points[2 * i] * kx + at.ox) | 0, Y = (at.oy - points[2 * i + 1] * ky) | 0;
    if (X < reach || Y < reach || X > right || Y > low) continue;
    const middle = Y * width + X, code = codes[i];
    if ((shown !== null && !shown[i]) || (only !== null && !only[i])) {
      for (let j = 0; j < single; j++) outside[middle + steps[j]] += cover[j];
      continue;
    }
    const c = palette[code] ?? palette[0], strength = chosen !== null && !chosen[i] ? UNSELECTED : 1, red = c[0], green = c[1], blue = c[2];
    for (let j = 0; j < single; j++) {
      const o = middle + steps[j], a = cover[j] * strength;
      weight[o] += a;
      colour[3 * o] += a * red;
      colour[3 * o + 1] += a * green;
      colour[3 * o + 2] += a * blue;
    }
  }
  shade(pixels, weight, outside, colour, out, width * height);
  return weight;
}

// The more points lie on the pixels that are covered at all, the more it takes to be opaque: dense places stay apart.
export function gain(weight, count) {
  let sum = 0, covered = 0;
  for (let o = 0; o < count; o++) if (weight[o] > 0.3) { sum += weight[o]; covered++; }
  return Math.min(2.6, Math.max(0.3, 2.6 / Math.pow(Math.max(1, covered ? sum / covered : 1), 0.75)));
}
function shade(pixels, weight, outside, colour, out, count) {
  const g = gain(weight, count);
  for (let o = 0; o < count; o++) {
    const w = weight[o], u = outside[o];
    if (w === 0 && u === 0) { pixels[4 * o + 3] = 0; continue; }
    const a = w === 0 ? 0 : 1 - Math.exp(-g * (w > 1 ? Math.pow(w, 0.7) : w)), b = u === 0 ? 0 : OUT_MOST * (1 - Math.exp(-OUT_WEIGHT * u)) * (1 - a), all = a + b;
    for (let k = 0; k < 3; k++) pixels[4 * o + k] = (a * (w === 0 ? 0 : colour[3 * o + k] / w) + b * out[k]) / all;
    pixels[4 * o + 3] = 255 * all;
  }
}
