// The state that page and Python share, and requests to Python.

export const SYNCED = new Set(["where", "where_document", "search", "order", "columns", "record", "colour", "view", "wrap", "folded",
  "height", "_about", "_known", "_given", "_selected", "_undoable", "_renewed", "_within", "_twins"]);
// Of these, what decides which records there are, and in which order.
export const QUESTION = ["where", "where_document", "search", "order", "_renewed", "_within"];
// What belongs to this page alone, at the beginning.
// `looked`: what of the map is looked at, null for all of it; `mapped`: which map that is.
const LOCAL = { counts: null, message: null, waiting: false, gone: false, tab: null, drawer: null, place: null, looked: null, mapped: null };
// Of all, what a saved notebook shows.
export const SAVED = [...QUESTION, "columns", "colour", "wrap", "folded", "_selected", "looked", "mapped"];
// Milliseconds: until a request is said to be waited for, until it is said that nobody answers.
const PATIENCE = 1500, SILENCE = 45000;

// What came as bytes, as an array of numbers.
export function bytes(came, Kind) {
  const at = came.byteOffset ?? 0;
  return new Kind((came.buffer ?? came).slice(at, at + came.byteLength));
}

export function makeStore(model) {
  const local = { ...LOCAL };
  const listeners = new Set(), hearers = new Set();
  let changed = new Set();
  const pending = new Map();           // number of a request -> {kind, done, fail, since}
  // A widget may be shown twice; what one of its views asks does not overtake what the other does.
  const who = Math.random().toString(36).slice(2);
  let number = 0, clock = 0, closed = false;
  // How often the state was set here. JupyterLab holds a state back while the kernel is at the one before, but no
  // request: so a request says which state it is asked in, and Python waits for it.
  let step = model.get("_step") ?? 0;

  function get() {
    const all = { ...local };
    for (const key of SYNCED) all[key] = model.get(key);
    return all;
  }
  // Listeners hear of changes together, after the call that made them.
  function note(keys) {
    if (closed) return;
    if (changed.size === 0) queueMicrotask(() => {
      const now = changed;
      changed = new Set();
      if (!closed) for (const listener of [...listeners]) listener(now);
    });
    for (const key of keys) changed.add(key);
  }
  function set(patch) {
    let said = false;
    for (const [key, value] of Object.entries(patch)) {
      if (SYNCED.has(key)) { model.set(key, value); said = true; } else local[key] = value;
    }
    if (said) {
      step = Math.max(step, model.get("_step") ?? 0) + 1;
      model.set("_step", step);
      model.save_changes();
    }
    note(Object.keys(patch));
  }
  // What Python changed. A change made here is noted by both, which does no harm.
  const watched = [...SYNCED].map((key) => [`change:${key}`, () => note([key])]);
  for (const [event, listener] of watched) model.on(event, listener);

  // --- Requests ---
  // Gives the answer; null where a newer request of the kind was made meanwhile, of what only reads.
  function request(kind, body = {}, { inTurn = false } = {}) {
    if (!inTurn) for (const [n, one] of pending) if (one.kind === kind) { pending.delete(n); one.done(null); }
    const n = ++number;
    const answer = new Promise((done, fail) => pending.set(n, { kind, done, fail, since: Date.now() }));
    const parts = Object.entries(body), bytewise = parts.filter(([, value]) => ArrayBuffer.isView(value));
    const said = { ...Object.fromEntries(parts.filter(([, value]) => !ArrayBuffer.isView(value))), who, n, kind, step };
    if (bytewise.length) said.bytes = bytewise.map(([name]) => name);
    try {
      model.send(said, undefined, bytewise.map(([, value]) => value.buffer));
    } catch {
      set({ gone: true });
    }
    clock ||= setInterval(tick, 500);
    return answer;
  }
  function tick() {
    const eldest = Math.min(...[...pending.values()].map((one) => one.since), Infinity);
    const waited = Date.now() - eldest;
    if (local.waiting !== waited > PATIENCE) set({ waiting: waited > PATIENCE });
    if (waited > SILENCE && !local.message) set({ message: { text: "The kernel does not respond. It may be busy.", error: true } });
    if (!pending.size) { clearInterval(clock); clock = 0; }
  }
  function heard(said, buffers) {
    if (local.gone) set({ gone: false });
    said.bytes?.forEach((name, i) => { said[name] = buffers[i]; });
    if (said.told !== undefined) {
      if (said.told === "refused") set({ message: { text: said.sentence, error: true } });
      for (const hearer of [...hearers]) hearer(said);
      return;
    }
    const one = said.who === who && pending.get(said.n);
    if (!one) return;                  // overtaken
    pending.delete(said.n);
    if (said.error) one.fail(new Error(said.error)); else one.done(said);
  }
  model.on("msg:custom", heard);

  return {
    get, set, request,
    onChange(listener) { listeners.add(listener); return () => listeners.delete(listener); },
    onTold(hearer) { hearers.add(hearer); return () => hearers.delete(hearer); },
    close() {
      closed = true;
      clearInterval(clock);
      model.off("msg:custom", heard);
      for (const [event, listener] of watched) model.off(event, listener);
      for (const one of pending.values()) one.done(null);
      pending.clear(); listeners.clear(); hearers.clear();
    },
  };
}
