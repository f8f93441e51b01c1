// How values are shown, by the type of their column. No elements here.

// Control characters are seen and do nothing, and so are overrides of direction, by which a text would pretend to be
// another one; other marks of direction stay, each cell being a paragraph of its own.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202d\u202e]/g;
const SPACE = /[\s\u2028\u2029]+/g;
export const MISSING = "—";

// Text of the collection on one line.
export function oneLine(text) {
  return visible(text.replace(SPACE, " "));
}
// Text of the collection as it is, its control characters seen.
export function visible(text) {
  return text.replace(CONTROL, (c) => {
    const code = c.charCodeAt(0);
    return code < 32 ? String.fromCharCode(0x2400 + code) : `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
  });
}

// A number to read, thousands apart from 10,000 on (years are not). `digits` behind the point where they show something
// of it, else six digits that count.
export function number(value, digits = null) {
  if (Number.isInteger(value) && Math.abs(value) < 1e15 && !digits)
    return Math.abs(value) < 1e4 ? String(value) : value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (digits !== null && (size >= 10 ** -digits || !size) && size < 1e15)
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: size >= 1e4 });
  if (size >= 1e15 || (size < 1e-4 && size > 0)) return value.toExponential(4).replace(/\.?0+e/, "e");
  if (size >= 1e6) return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  return value.toLocaleString("en-US", { maximumSignificantDigits: 6, useGrouping: size >= 1e4 });
}

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,]\d+)?)?)?\s?(Z|[+-]\d\d:?\d\d)?$/;
// An ISO date as people write it: 2024-05-01 13:05 +02:00, seconds where there are some. `clock` false: the day alone.
export function isoDate(text, clock = true) {
  const found = ISO.exec(text);
  if (!found) return text;
  const [, day, time, seconds, zone] = found;
  if (!time || !clock) return day;
  const exact = seconds && seconds !== "00" ? `${time}:${seconds}` : time;
  return `${day} ${exact}${zone && zone !== "Z" && zone !== "+00:00" ? " " + zone : ""}`;
}
// A moment in milliseconds since 1970, in UTC.
export function moment(milliseconds) {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? String(milliseconds) : isoDate(date.toISOString());
}

// What a cell shows: {text, kind}, and the `parts` of a text some of which is marked. Kinds that are numbers stand at the end of their column.
export function show(value, column) {
  if (value === null || value === undefined) return { text: MISSING, kind: "missing" };
  if (typeof value === "number") {
    if (column.type === "epoch_s") return { text: moment(value * 1000), kind: "date" };
    if (column.type === "epoch_ms") return { text: moment(value), kind: "date" };
    return { text: number(value, column.digits ?? null), kind: "number" };
  }
  if (typeof value === "boolean") return { text: value ? "true" : "false", kind: "boolean" };
  if (Array.isArray(value)) return { text: value.length ? value.map((one) => show(one, { type: "text" }).text).join(", ") : "[]", kind: "list" };
  if (value.kind === "marked") return { text: oneLine(value.text), kind: "text", parts: value.parts.map(([part, marked]) => [oneLine(part), marked]) };
  if (typeof value === "object") return { text: visible(value.text), kind: value.kind === "sparse" ? "sparse" : "number" };
  if (column.type === "date") return { text: isoDate(value, column.clock), kind: "date" };
  return value === "" ? { text: '""', kind: "empty" } : { text: oneLine(value), kind: "text" };
}

// A whole value as it is copied: numbers and dates as they are stored.
export function plainText(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return JSON.stringify(value.map((one) => (one && typeof one === "object" ? one.text : one)));
  return typeof value === "object" ? value.text : String(value);
}
// A field of a line whose fields are divided by tabs, as spreadsheets read it.
export function tabbed(text) {
  return /[\t\n\r"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// What a column is called, and what its type is called.
export const NAMES = { "#id": "id", "#document": "document", "#uri": "uri" };
export function nameOf(key) {
  return NAMES[key] ?? visible(key);
}
export const TYPES = { text: "text", integer: "whole number", number: "number", boolean: "true or false", date: "date",
  epoch_s: "date, stored as seconds", epoch_ms: "date, stored as milliseconds", list: "list", sparse: "sparse vector",
  mixed: "several types" };
export const ALIGNED_END = new Set(["integer", "number"]);

// A filter as Python writes it.
export function pythonText(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonText).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, one]) => `${pythonText(key)}: ${pythonText(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}
