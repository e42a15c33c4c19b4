// Films: sent whole, looked at by the server, asked for until they are done.

import { listed } from "./boxes.js";
import { button, card, fail, make, stem } from "./cards.js";
import { ask, megabytes, pause, Refused } from "./server.js";

const EVERY = 400; // milliseconds between two questions how far a film is

/** Whether a file is a film, by its type, else by its name. */
export function isFilm(file) {
  if (file.type) return file.type.startsWith("video/");
  return /\.(mp4|m4v|mov|avi|mkv|webm|mpe?g|m?ts|m2ts|wmv|flv|3gp|ogv)$/i.test(file.name);
}

/** A card that follows a film to its end. */
export function film(file, query, limits) {
  const shown = card(file.name);
  const state = { removed: false };
  shown.row.append(button("Remove", file.name, () => remove(shown, state)));
  shown.done = follow(shown, file, query, limits, state).catch((error) => fail(shown, said(error)));
  return shown;
}

async function follow(shown, file, query, limits, state) {
  if (file.size > limits.film_bytes) {
    throw new Refused(`The film has ${megabytes(file.size)}, more than the ` +
      `${megabytes(limits.film_bytes)} that are taken.`);
  }
  if (query.get("classes") === "") throw new Refused("No class is chosen. Choose one and drop the film again.");
  const bar = make("progress", { "aria-label": `Progress of ${file.name}` });
  shown.found.textContent = "sending …";
  shown.found.after(bar);
  try {
    const name = encodeURIComponent(file.name.slice(0, 255));
    const sent = await ask(`v1/films?${query}&name=${name}`, { method: "POST", body: file });
    let now = await sent.json();
    state.id = now.id;
    while (!state.removed && ["waiting", "running"].includes(now.state)) {
      await pause(EVERY);
      now = await (await ask(`v1/films/${now.id}`)).json();
      progress(shown, bar, now);
    }
    if (!state.removed) finish(shown, now, query);
  } finally {
    bar.remove();
  }
}

function progress(shown, bar, now) {
  if (now.total) {
    bar.max = now.total;
    bar.value = now.frames;
  }
  const of = now.total ? ` of ${now.total}` : "";
  shown.found.textContent = now.state === "waiting" ? "waiting …" : `frame ${now.frames}${of}`;
}

function finish(shown, now, query) {
  if (now.state !== "done") throw new Refused(now.message ?? "The film was stopped.");
  shown.found.className = "found";
  shown.found.textContent = `${listed(Object.entries(now.objects))} in ` +
    (now.frames === 1 ? "1 frame" : `${now.frames} frames`);
  const kinds = query.has("classes") ? "of the chosen classes " : "";
  const above = `what ${kinds}scored more than ${Number(query.get("conf")).toFixed(2)}, as the page stood`;
  const note = now.message ? `${above}; ${now.message}` : above;
  shown.found.after(make("p", { class: "soft", text: note }));
  const base = `v1/films/${now.id}`;
  const video = make("video", { controls: "", src: `${base}/video`, preload: "metadata" });
  video.setAttribute("aria-label", `${shown.name} with boxes`);
  shown.figure.prepend(video);
  const link = (text, part, suffix) => make("a", {
    class: "button", text, href: `${base}/${part}`, download: `${stem(shown.name)}${suffix}`,
  });
  shown.row.prepend(link("Save video", "video", "_boxes.webm"), link("Save JSON", "detections", ".json"));
}

function remove(shown, state) {
  state.removed = true;
  if (state.id) ask(`v1/films/${state.id}`, { method: "DELETE" }).catch(() => {});
  shown.figure.remove();
}

function said(error) {
  return error instanceof Refused ? error.message : `The film failed: ${error.message}`;
}
