// The page at `/`: sends the form, shows the answer. Loads nothing else.
const form = document.getElementById("song");
const result = document.getElementById("result");
const byId = (id) => document.getElementById(id);
const PARTS = 12; // contributions shown per modality

for (const zone of form.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input");
  const over = (is) => (event) => { event.preventDefault(); zone.classList.toggle("over", is); };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
}
// A file that misses the zone must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

for (const row of form.querySelectorAll("[data-field]")) {
  const [box, slider] = row.querySelectorAll("input");
  const mark = () => row.classList.toggle("unknown", box.value === "");
  box.addEventListener("input", () => { if (slider && box.value !== "") slider.value = box.value; mark(); });
  if (slider) slider.addEventListener("input", () => { box.value = slider.value; mark(); });
  form.addEventListener("reset", () => setTimeout(mark));
}

function body() {
  const data = new FormData();
  for (const input of form.querySelectorAll("input[type=file]")) {
    if (input.files.length) data.append(input.name, input.files[0]);
  }
  for (const text of form.querySelectorAll("textarea")) {
    if (text.value.trim()) data.append(text.name, text.value);
  }
  const fields = {};
  for (const row of form.querySelectorAll("[data-field]")) {
    const box = row.querySelector("input");
    if (box.validity.badInput) throw new Error(`${row.dataset.field} is not a number`);
    if (box.value.trim() !== "") {
      fields[row.dataset.field] = row.dataset.number === "true" ? Number(box.value) : box.value.trim();
    }
  }
  data.append("fields", JSON.stringify(fields));
  return data;
}

async function ask(path) {
  const token = byId("token");
  const headers = token && token.value ? { Authorization: `Bearer ${token.value}` } : {};
  const answer = await fetch(path, { method: "POST", body: body(), headers });
  let said;
  try { said = await answer.json(); } catch { said = { error: `The server answered ${answer.status}` }; }
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function row(name, share, value, kind = "") {
  const made = element("tr"), head = element("th", name), cell = element("td"), bar = element("div", "", `bar ${kind}`);
  head.scope = "row";
  bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  cell.append(bar);
  made.append(head, cell, element("td", value, "number"));
  return made;
}

function show(prediction) {
  byId("popularity").textContent = prediction.popularity.toFixed(1);
  const percent = prediction.coverage === null ? "" : `${+(100 * prediction.coverage).toFixed(1)} %`;
  const [low, high] = prediction.interval ?? [];
  const sets = prediction.tier_set.join(", ");
  let region = form.dataset.scores === "true" ? `Tier ${prediction.tier_label}.` : "";
  if (prediction.interval) region = `With ${percent} probability from ${low.toFixed(1)} to ${high.toFixed(1)}.`;
  else if (percent) region += ` With ${percent} probability in ${sets || "no tier"}.`;
  byId("region").textContent = region;
  const inside = new Set(prediction.tier_set);
  byId("tiers").hidden = Object.keys(prediction.scores).length === 0;
  byId("tiers").querySelector("tbody").replaceChildren(...Object.entries(prediction.scores).map(
    ([label, score]) => row(label, score, score.toFixed(3), percent && !inside.has(label) ? "outside" : "")));
  const notes = [
    ...prediction.missing.map((modality) => `Missing: ${modality}`),
    ...Object.entries(prediction.missing_parts).map(([modality, parts]) => `Missing of ${modality}: ${parts.join(", ")}`),
    ...Object.values(prediction.unseen).flat().map((name) => `${name} counts as unknown: training never saw it`),
    ...prediction.warnings, ...prediction.remarks,
  ];
  byId("notes").hidden = notes.length === 0;
  byId("notes").querySelector("ul").replaceChildren(...notes.map((note) => element("li", note)));
  byId("contributions").hidden = true;
  byId("answer").hidden = false;
}

function showContributions(explanation) {
  show(explanation.prediction);
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

async function run(path, use, doing) {
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  byId("error").hidden = true;
  byId("state").hidden = false;
  byId("state").textContent = doing;
  result.setAttribute("aria-busy", "true");
  try {
    use(await ask(path));
    byId("state").hidden = true;
  } catch (error) {
    byId("state").hidden = true;
    byId("answer").hidden = true;
    byId("error").textContent = error instanceof TypeError ? "The server can't be reached." : error.message;
    byId("error").hidden = false;
  }
  result.setAttribute("aria-busy", "false");
  buttons.forEach((button) => { button.disabled = false; });
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

form.addEventListener("submit", (event) => { event.preventDefault(); run("/v1/predict", show, "Predicting …"); });
byId("explain")?.addEventListener("click", () => run("/v1/explain", showContributions, "Explaining: this takes a while …"));
