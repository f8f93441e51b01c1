// The parts of the workbench, in the order of the tabs: name -> what it is called, where it stands, what makes it.
// `slot`: "bar", "top" (these are always there), "left", "centre" (one below the other) or "right". `needs`: the key of the state without which it is not there.

import { actions } from "./actions.js";
import { facets } from "./facets.js";
import { map } from "./map.js";
import { record } from "./record.js";
import { search } from "./search.js";
import { table } from "./table.js";

export const PARTS = {
  actions: { title: "Actions", slot: "bar", make: actions },
  search: { title: "Search", slot: "top", make: search },
  facets: { title: "Facets", slot: "left", make: facets },
  map: { title: "Map", slot: "centre", make: map },
  table: { title: "Table", slot: "centre", make: table },
  record: { title: "Record", slot: "right", make: record, needs: "record" },
};
