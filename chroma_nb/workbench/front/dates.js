// Dates as editors hold them, and as they are stored: what was not changed stays, letter by letter. No elements here.

const ISO = /^(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d)(?::(\d\d)([.,]\d+)?)?)?( ?(?:Z|[+-]\d\d:?\d\d))?$/;
const SECONDS = /^(\d+)(\.\d+)?$/;
const inUTC = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 19);

// What a field of the browser for dates is given: {input, value, zone}; null where the text is no such date.
export function picker({ as, text }) {
  if (as === "date") {
    const [whole, day, , time, seconds = "00", , zone = ""] = ISO.exec(text) ?? [];
    if (whole === undefined) return null;
    return time ? { input: "datetime-local", value: `${day}T${time}:${seconds}`, zone: zone.trim() } : { input: "date", value: day, zone: "" };
  }
  const [whole, seconds] = SECONDS.exec(text) ?? [];
  const milliseconds = as === "epoch_ms" ? Number(seconds) : Number(seconds) * 1000;
  if (whole === undefined || !(milliseconds < 8e15)) return null;
  return { input: "datetime-local", value: inUTC(milliseconds), zone: "UTC" };
}

// The text that is stored where somebody picked another moment; "" where what is picked is none.
export function stored({ as, text }, picked) {
  if (as === "date") {
    const [, , letter, time, seconds, fraction = "", zone = ""] = ISO.exec(text);
    const [day, clock = ""] = picked.split("T");
    if (!day || !time) return day;
    return `${day}${letter}${clock.slice(0, 5)}${seconds === undefined && !/:[^:]*:(?!00)/.test(clock) ? "" : `:${clock.slice(6, 8) || "00"}${fraction}`}${zone}`;
  }
  const milliseconds = Date.parse(`${picked}Z`), [, whole, fraction = ""] = SECONDS.exec(text);
  if (Number.isNaN(milliseconds)) return "";
  return as === "epoch_ms" ? `${milliseconds + (Number(whole) % 1000)}${fraction}` : `${Math.floor(milliseconds / 1000)}${fraction}`;
}
