// What each workbench carries: it fetches the code of all of them, once a page. A page never gives a module back, so
// that with the code in every widget a cell that runs again and again would fill it.
const CODE = Symbol.for("chroma_nb workbench VERSION");

function fetched(model) {
  return new Promise((done) => {
    const hear = (said) => {
      if (said.script === undefined) return;
      model.off("msg:custom", hear);
      done(said.script);
    };
    model.on("msg:custom", hear);
    model.send({ kind: "script" });
  });
}

export default {
  async render(shown) {
    if (!globalThis[CODE]) {
      const address = URL.createObjectURL(new Blob([await fetched(shown.model)], { type: "text/javascript" }));
      try {
        globalThis[CODE] ??= (await import(address)).default;
      } finally {
        URL.revokeObjectURL(address);
      }
    }
    return globalThis[CODE].render(shown);
  },
};
