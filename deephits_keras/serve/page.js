// The page at `/`: sends the form to the server, shows its answer. Loads nothing else.
import { byId, form, row, run, show, showPictures, song } from "./song.js";

const PARTS = 12; // contributions shown per modality

async function ask(path) {
  const { files, texts, fields } = song(), token = byId("token"), body = new FormData();
  for (const [name, value] of Object.entries({ ...files, ...texts })) body.append(name, value);
  body.append("fields", JSON.stringify(fields));
  const headers = token && token.value ? { Authorization: `Bearer ${token.value}` } : {};
  const answer = await fetch(path, { method: "POST", body, headers })
    .catch(() => { throw new Error("The server can't be reached."); });
  let said;
  try { said = await answer.json(); } catch { said = { error: `The server answered ${answer.status}` }; }
  if (!answer.ok) throw new Error(said.error);
  return said;
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function showSong(prediction, pictures) {
  show(prediction);
  showPictures(Object.values(pictures).map((picture) => ({ ...picture, values: bytes(picture.values) })));
}

function showPrediction(prediction) {
  showSong(prediction, prediction.pictures);
  byId("contributions").hidden = true;
}

function showContributions(explanation) {
  showSong(explanation.prediction, explanation.pictures);
  const signed = (value) => (Math.abs(value) < 1e-6 ? "0" : (value > 0 ? "+" : "−") + Math.abs(value).toPrecision(Math.abs(value) < 0.001 ? 2 : 3));
  const modalities = Object.entries(explanation.modalities);
  const all = modalities.flatMap(([, of]) => [of.contribution, ...of.parts.map((part) => part.contribution)]);
  const largest = Math.max(1e-12, ...all.map(Math.abs));
  const line = (name, value) => row(name, Math.abs(value) / largest, signed(value), value < 0 ? "down" : "");
  const rows = modalities.flatMap(([modality, of]) => {
    const head = line(modality, of.contribution);
    head.className = "modality";
    const parts = of.parts.filter((part) => !part.empty && part.contribution)
      .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution)).slice(0, PARTS);
    return [head, ...parts.map((part) => line(part.value ? `${part.name} = ${part.value}` : part.name, part.contribution))];
  });
  const section = byId("contributions");
  section.querySelector("p").textContent = `To the ${explanation.target}, ${explanation.score.toPrecision(3)}; `
    + `with the inputs at their baselines it is ${explanation.baseline_score.toPrecision(3)}. Blue raised it, red lowered it.`;
  section.querySelector("tbody").replaceChildren(...rows);
  section.hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(async () => showPrediction(await ask("/v1/predict?pictures=true")), "Predicting …");
});
byId("explain")?.addEventListener("click", () => run(async () => showContributions(await ask("/v1/explain?pictures=true")), "Explaining: this takes a while …"));
