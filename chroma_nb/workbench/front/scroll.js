// The arithmetic of a table of which only the rows in view are there. No elements here.

// Browsers cut elements that are higher than 17 million pixels (Firefox) or 33 million (Chrome). Above this height the
// scroll bar is a scale: a pixel of it is several rows.
export const TALLEST = 12e6;
// No more is looked through, even where the style sheet has not come yet and the table is as high as all its rows.
const WINDOW = 4000;

// How the table lies: `total` rows of `row` pixels below a head, seen through `height` pixels (without the head).
export function extent(total, row, height) {
  const view = Math.min(height, WINDOW);
  const real = total * row;
  return { total, row, view, tall: Math.min(real, TALLEST), scaled: real > TALLEST, seen: Math.max(1, Math.floor(view / row)) };
}
// The place of the first row in view, with its fraction.
export function firstRow(at, scrollTop) {
  if (!at.scaled) return scrollTop / at.row;
  const range = Math.max(1, at.tall - at.view);
  return Math.min(1, scrollTop / range) * Math.max(0, at.total - at.view / at.row);
}
// Pixels from the top of the scrolled space to row `place`, as long as it is scrolled to `scrollTop`.
export function topOf(at, place, scrollTop) {
  return at.scaled ? scrollTop + (place - firstRow(at, scrollTop)) * at.row : place * at.row;
}
// Where to scroll so that row `place` is the first one in view.
export function scrollTo(at, place) {
  if (!at.scaled) return place * at.row;
  return (place / Math.max(1, at.total - at.view / at.row)) * Math.max(1, at.tall - at.view);
}
// Where to scroll so that row `place` is in view; `scrollTop` itself where it is.
export function reveal(at, place, scrollTop) {
  const first = firstRow(at, scrollTop);
  if (place >= first && place + 1 <= first + at.view / at.row) return scrollTop;
  return scrollTo(at, place < first ? place : Math.max(0, place + 1 - at.view / at.row));
}
// Of rows `from` to `to` those that `has` says are not there, as one range [from, to), with some beyond them; or null.
export function missing(from, to, total, has, beyond = 0) {
  let a = from, b = to;
  while (a < b && has(a)) a++;
  while (b > a && has(b - 1)) b--;
  if (a >= b) return null;
  return [a === from ? Math.max(0, a - beyond) : a, b === to ? Math.min(total, b + beyond) : b];
}

// Pixels of columns that have no width of their own: by the letters they need; the document takes what is left over.
// Short ones, ids above all, are often of digits, which are wider.
const LETTER = 7.6, SHORT = 16, DIGIT = 8.5, AROUND = 22, HEAD = 7.9, AROUND_HEAD = 34, LEAST = 56, MOST = 240, DOCUMENT = [180, 420];
export function widths(columns, view) {
  const found = columns.map((one) => one.width ?? Math.round(one.key === "#document"
    ? Math.min(DOCUMENT[1], Math.max(DOCUMENT[0], view * 0.4))
    : Math.min(MOST, Math.max(LEAST, one.letters * (one.letters <= SHORT ? DIGIT : LETTER) + AROUND, one.name.length * HEAD + AROUND_HEAD))));
  const left = view - found.reduce((sum, width) => sum + width, 0);
  const wide = columns.findIndex((one) => one.key === "#document" && one.width === undefined);
  if (left > 0 && wide >= 0) found[wide] += Math.floor(left);
  return found;
}
