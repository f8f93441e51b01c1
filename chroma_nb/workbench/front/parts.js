// The parts of the workbench, in the order of the tabs: name -> what it is called, where it stands, what makes it.
// `slot`: "left", "centre" (one below the other), "right" or "bar" (always there). `needs`: the key of the state without which it is not there.

import { actions } from "./actions.js";
import { record } from "./record.js";
import { table } from "./table.js";

export const PARTS = {
  actions: { title: "Actions", slot: "bar", make: actions },
  table: { title: "Table", slot: "centre", make: table },
  record: { title: "Record", slot: "right", make: record, needs: "record" },
};
