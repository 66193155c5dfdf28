// The page: scores the form's song in this browser. Nothing leaves it.
import { byId, element, form, run, show, song } from "./song.js";
import { predict } from "./model.js";

async function answer() {
  const pictures = [];
  show(await predict(song(), (modality, { module, features, settings }) => {
    if (!module.draw) return;
    const canvas = element("canvas"), figure = element("figure"), told = module.draw(canvas, features, settings);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", told);
    figure.append(canvas, element("figcaption", told));
    pictures.push(figure);
  }));
  byId("pictures").replaceChildren(...pictures);
}

form.addEventListener("submit", (event) => { event.preventDefault(); run(answer, "Predicting in this browser …"); });
