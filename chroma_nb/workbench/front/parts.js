// The parts of the workbench, in the order of the tabs: name -> what it is called, where it stands, what makes it.
// `slot`: "top" (always there), "left", "centre" (one below the other) or "right". `needs`: the key of the state without which it is not there.

import { facets } from "./facets.js";
import { search } from "./search.js";
import { table } from "./table.js";

export const PARTS = {
  search: { title: "Search", slot: "top", make: search },
  facets: { title: "Facets", slot: "left", make: facets },
  table: { title: "Table", slot: "centre", make: table },
};
