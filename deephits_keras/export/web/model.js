// The model: what its encoders extract in the page, the graph in onnxruntime-web, and the answer of `predict --json`.
import * as ort from "./onnxruntime-web.js";
import { decode } from "./decoding.js";
import { cleanedLyrics } from "./lyrics.js";

// One thread and no worker: more would need headers that a plain file server doesn't send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;

const model = await (await loaded("./page.json")).json();
const session = opened();
session.catch(() => {}); // told by the first prediction

async function loaded(path) {
  const answer = await fetch(path).catch(() => null);
  if (!answer?.ok) throw new Error(`${path} can't be loaded: open this folder through a file server`);
  return answer;
}

async function opened() {
  // Given as bytes, the file's media type doesn't matter.
  ort.env.wasm.wasmBinary = await (await loaded("./onnxruntime-web.wasm")).arrayBuffer();
  const graph = new Uint8Array(await (await loaded("./model.onnx")).arrayBuffer());
  return ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
}

// The prediction of a song `{files, texts, fields}`; what was extracted of each modality goes to `see({ modality, module, features, settings })`.
export async function predict(song, see) {
  const texts = { ...song.texts };
  if (texts.lyrics !== undefined) texts.lyrics = cleanedLyrics(texts.lyrics, model.lyrics);
  const found = {};
  for (const [modality, encoder] of Object.entries(model.modalities)) {
    found[modality] = await extracted(modality, encoder, { ...song, texts });
  }
  const present = Object.keys(found).filter((modality) => found[modality].features);
  if (!present.length) throw new Error("Nothing to predict from: every input is missing");
  const { outputs } = await (await session).run(tensors(found));
  for (const modality of present) see({ modality, ...found[modality] });
  const missing = Object.keys(found).filter((modality) => !present.includes(modality));
  return {
    ...decode(outputs.data, model),
    missing,
    missing_parts: gathered(found, "missingParts"),
    unseen: gathered(found, "unseen"),
    warnings: [...language(song), ...newWords(song.fields), ...missing.flatMap((modality) => warnings(modality, model.modalities[modality]))],
    remarks: [],
  };
}

async function extracted(modality, { module: path, settings, unseen }, song) {
  if (!path) return {};
  const known = Object.entries(song.fields).filter(([, value]) => !model.unknown.includes(String(value).toLowerCase()));
  const kept = known.filter(([name]) => !unseen.includes(name));
  const module = await import(path);
  try {
    const result = await module.extract({ ...song, fields: Object.fromEntries(kept) }, settings);
    return { ...result, module, settings, unseen: unseen.filter((name) => name in song.fields) };
  } catch (error) {
    throw new Error(`${modality} can't be used: ${error.message}`);
  }
}

function tensors(found) {
  return Object.fromEntries(model.inputs.map(({ name, modality, feature, shape, dtype }) => {
    const size = shape.reduce((product, length) => product * length, 1), { features } = found[modality];
    const empty = dtype === "int32" ? new Int32Array(size) : new Float32Array(size);
    const values = feature === null ? empty.fill(features ? 1 : 0) : features?.[feature] ?? empty;
    return [name, new ort.Tensor(dtype, values, [1, ...shape])];
  }));
}

function gathered(found, key) {
  return Object.fromEntries(Object.entries(found).filter(([, result]) => result[key]?.length).map(([modality, result]) => [modality, result[key]]));
}

function language({ texts, fields }) {
  if (!model.detects_language || !texts.lyrics || fields.language) return [];
  return ["the language of lyrics is detected by `predict`, not in this page: fill in the field language, for example en"];
}

// Words of categories that no training track has, as in features/words.py.
function newWords(fields) {
  const folded = (word) => word.toUpperCase().toLowerCase();
  return Object.entries(model.words).flatMap(([name, { known, listed }]) => {
    const text = String(fields[name] ?? "").trim(), word = /^[+-]?\d{1,15}(\.0*)?$/.test(text) ? String(Number(text) + 0) : text;
    if (model.unknown.includes(text.toLowerCase()) || known.some((each) => folded(each) === folded(word))) return [];
    return [`no training track has '${word}' as ${name}, so the model can't use it; they have: ${listed}`];
  });
}

function warnings(modality, { reason, learned }) {
  const why = reason ? [`${modality} can't be used in this page: ${reason}`] : [];
  return learned ? why : [...why, `${modality} is missing, and the model was never trained without it`];
}
