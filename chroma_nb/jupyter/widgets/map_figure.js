// The page's half of map_figure.py, which says why it is as it is.

/** plotly's widget, fetched once for all maps of the page. */
const plotly = (model) =>
  (globalThis[model.get("_plotly_name")] ??= import(
    URL.createObjectURL(new Blob([model.get("_plotly")], {type: "text/javascript"}))
  ));

/** What plotly's widget says by itself and nobody needs. */
const UNSAID = ["_js2py_traceDeltas", "_js2py_layoutDelta", "_js2py_widget_layoutDelta", "_js2py_pointsCallback"];

/** The model that plotly's widget sees: `state` is its own, what it says goes to Python. */
const figureOf = (model, state) => {
  const listeners = {};
  return {
    get: (name) => (name in state ? state[name] : model.get(name)),
    set(name, value) {
      if (UNSAID.includes(name)) return;
      model.set(name, null); // the same twice is said twice
      model.set(name, value);
    },
    save_changes: () => model.save_changes(),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    hear(said) {
      Object.assign(state, said);
      for (const name of Object.keys(said)) for (const listener of listeners[`change:${name}`] ?? []) listener();
    },
  };
};

/** Arrays come beside the message: put them where they belong, each with a buffer of its own. */
const restored = (said, buffers) => {
  (said.paths ?? []).forEach((path, number) => {
    let place = said.state;
    for (const step of path.slice(0, -1)) place = place[step];
    const {buffer, byteOffset = 0, byteLength} = ArrayBuffer.isView(buffers[number])
      ? buffers[number]
      : {buffer: buffers[number], byteLength: buffers[number].byteLength};
    place[path.at(-1)] = new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
  });
  return said;
};

/** The line to Python. After reloading a page its end here may be made after the map. */
const lineOf = async (model) => {
  for (let tries = 50; ; tries--) {
    try {
      const line = await model.widget_manager.get_model(model.get("_line"));
      if (line) return line;
      throw new Error("chroma_nb: the map has no line to Python");
    } catch (error) {
      if (!tries) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
};

const byTrace = (points) => {
  const found = {};
  for (const point of points) (found[point.curveNumber] ??= []).push(point.pointNumber);
  return found;
};
const shapeOf = (said) => {
  if (said.range) return {type: "box", xrange: said.range.x, yrange: said.range.y};
  return said.lassoPoints ? {type: "lasso", xs: said.lassoPoints.x, ys: said.lassoPoints.y} : null;
};

/** The plot is as wide as its place. */
const fitted = (place, figure, module) => {
  let width = 0;
  const watch = new ResizeObserver(() => {
    if (!place.clientWidth || place.clientWidth === width || !place._fullLayout) return;
    width = place.clientWidth;
    requestAnimationFrame(() => {
      const view = {el: place, model: figure, _sendLayoutDelta() {}};
      if (place.isConnected) module.FigureView.prototype.autosizeFigure.call(view);
    });
  });
  watch.observe(place);
  return () => watch.disconnect();
};

/** One display of the map, drawn anew. */
const draw = async (view, {figure, made, module}) => {
  view.stop?.();
  const place = document.createElement("div");
  place.setAttribute("role", "figure");
  place.setAttribute("aria-label", view.model.get("_label"));
  view.el.replaceChildren(place);
  const end = await made.render({el: place});
  const tell = (event, said) => view.model.send({event, ...said});
  place.on("plotly_selected", (said) => said && tell("lassoed", {points: byTrace(said.points), shape: shapeOf(said)}));
  place.on("plotly_deselect", () => tell("unselected"));
  place.on("plotly_click", (said) => tell("clicked", {points: byTrace(said.points)}));
  const unfit = fitted(place, figure, module);
  view.stop = () => [unfit, end].forEach((stop) => stop());
};

export default () => {
  const views = new Set();
  let turn; // what is done one after the other; in the end there is the figure as it stands
  const begin = async (model, state) => {
    const figure = figureOf(model, state);
    const module = await plotly(model);
    const made = await module.default();
    await made.initialize({model: figure});
    return {figure, made, module};
  };
  return {
    initialize({model}) {
      const who = Math.random().toString(36).slice(2);
      let number = model.get("_said");
      let line = null;
      let waiting = false;
      const ask = () => {
        if (!waiting) line.send({who, number});
        waiting = true;
      };
      const answered = async (now, said) => {
        waiting = false;
        if (!said.state) return now; // nothing was missed
        number = said.number;
        const next = await begin(model, said.state);
        for (const view of views) await draw(view, next);
        return next;
      };
      const heard = (now, said) => {
        if (said.number > number + 1) ask();
        if (said.number !== number + 1) return;
        number = said.number;
        try {
          now.figure.hear(said.state);
        } catch (error) {
          console.warn("chroma_nb: the map is drawn anew:", error);
          number = -1;
          ask();
        }
      };
      const listen = (content, buffers) => {
        const said = restored(content, buffers);
        turn = turn.then((now) => (said.who === who ? answered(now, said) : (said.who || heard(now, said), now)));
      };
      turn = begin(model, {_widget_data: model.get("_widget_data"), _widget_layout: model.get("_widget_layout")});
      lineOf(model).then(
        (found) => {
          line = found;
          line.on("msg:custom", listen);
          ask();
        },
        (error) => console.warn(error.message, "and stays as it is"),
      );
      return () => line?.off("msg:custom", listen);
    },
    async render({model, el}) {
      const view = {model, el};
      turn = turn.then(async (now) => {
        await draw(view, now);
        views.add(view);
        return now;
      });
      await turn;
      return () => {
        views.delete(view);
        view.stop();
      };
    },
  };
};
