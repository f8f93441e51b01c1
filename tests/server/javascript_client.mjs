// What Chroma's JavaScript client says to a server, and what it hears: one JSON object on stdout.
// node javascript_client.mjs FOLDER PORT [TOKEN]; FOLDER holds node_modules/chromadb.
import { createRequire } from "node:module";

const [folder, port, token] = process.argv.slice(2);
const { ChromaClient, AdminClient } = createRequire(folder + "/")("chromadb");
const place = { host: "127.0.0.1", port: Number(port) };
if (token) place.headers = { Authorization: `Bearer ${token}` };
const heard = {};

const rounded = (rows) => rows.map((row) => row.map((one) => Number(one.toFixed(4))));

async function error(call) {
  try {
    await call();
    return "no error";
  } catch (failure) {
    return failure.name;
  }
}

const client = new ChromaClient(place);
heard.beats = (await client.heartbeat()) > 0;
heard.version = await client.version();

const birds = await client.createCollection({
  name: "js-birds",
  metadata: { made: "in js" },
  embeddingFunction: null,
  configuration: { hnsw: { space: "cosine" } },
});
heard.metadata = birds.metadata;
heard.space = birds.configuration.hnsw.space;
await birds.add({
  ids: ["wren", "crow", "owl"],
  embeddings: [[1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]],
  documents: ["small and brown", "black", "large-eyed ünïcode"],
  metadatas: [{ grams: 9, wise: false }, { grams: 500.5, wise: true }, { wise: true, tags: ["night", "wood"] }],
  uris: ["file:///wren", "file:///crow", "file:///owl"],
});
heard.count = await birds.count();

const all = await birds.get({ include: ["documents", "metadatas", "embeddings", "uris"] });
heard.all = [all.ids, all.documents, all.metadatas, rounded(all.embeddings), all.uris];
const some = await birds.get({
  where: { $and: [{ wise: true }, { grams: { $gt: 10 } }] },
  whereDocument: { $contains: "lack" },
});
heard.some = [some.ids, some.documents];
heard.page = (await birds.get({ limit: 1, offset: 1 })).ids;
heard.peek = (await birds.peek({ limit: 2 })).ids;

const found = await birds.query({
  queryEmbeddings: [[1, 0.1, 0], [0, 1, 0]],
  nResults: 2,
  include: ["distances", "documents", "metadatas"],
});
heard.found = [found.ids, found.documents];
heard.distances = rounded(found.distances);
heard.among = (await birds.query({ queryEmbeddings: [[1, 0, 0]], nResults: 5, where: { wise: { $ne: false } } })).ids;

await birds.update({ ids: ["crow"], metadatas: [{ grams: 450 }] });
await birds.update({ ids: ["crow"], embeddings: [[0, 2, 0]], documents: ["glossy black"] });
await birds.upsert({ ids: ["wren", "gull"], embeddings: [[1, 1, 0], [0, 0, 1]], documents: ["brown", "white"] });
const changed = await birds.get({ ids: ["crow", "wren", "gull"], include: ["documents", "metadatas"] });
heard.changed = Object.fromEntries(changed.ids.map((id, row) => [id, [changed.documents[row], changed.metadatas[row]]]));
await birds.delete({ ids: ["gull"] });
await birds.delete({ where: { wise: false } });
heard.left = (await birds.get()).ids.sort();

await birds.modify({ name: "js-fowl", metadata: { renamed: true } });
heard.again = (await client.getCollection({ name: "js-fowl" })).metadata;
heard.same = (await client.getOrCreateCollection({ name: "js-fowl", embeddingFunction: null })).id === birds.id;
heard.names = (await client.listCollections()).map((one) => one.name);
heard.collections = await client.countCollections();

heard.forked = await error(async () => {
  const fork = await birds.fork({ name: "js-fork" });
  await fork.delete({ ids: (await fork.get()).ids });
  if ((await fork.count()) !== 0 || (await birds.count()) === 0) throw new Error("they are not two");
  await client.deleteCollection({ name: "js-fork" });
});
heard.errors = {
  missing: await error(() => client.getCollection({ name: "js-nothing" })),
  exists: await error(() => client.createCollection({ name: "js-fowl", embeddingFunction: null })),
  name: await error(() => client.createCollection({ name: "x", embeddingFunction: null })),
  dimension: await error(() => birds.add({ ids: ["new"], embeddings: [[1, 2]] })),
  fork: await error(() => birds.fork({ name: "js-fowl" })),
};
await client.deleteCollection({ name: "js-fowl" });
heard.after = await client.countCollections();

const admin = new AdminClient(place);
await admin.createTenant({ name: "js-zoo" });
await admin.createDatabase({ name: "js-aviary", tenant: "js-zoo" });
heard.databases = (await admin.listDatabases({ tenant: "js-zoo" })).map((one) => one.name);
const there = new ChromaClient({ ...place, tenant: "js-zoo", database: "js-aviary" });
heard.elsewhere = await there.countCollections();
await admin.deleteDatabase({ name: "js-aviary", tenant: "js-zoo" });
heard.reset = await error(() => client.reset());

console.log(JSON.stringify(heard));
