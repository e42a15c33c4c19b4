// The page: what is chosen goes to the server once, with a low score; sliders choose among the
// answers, so that at the model's own settings one sees what `yolokit detect` gives.

import { counted, draw, readable, shown } from "./boxes.js";
import { Camera } from "./camera.js";
import { button, card, fail, make, save, stem, table } from "./cards.js";
import { film, isFilm } from "./films.js";
import { ask, megabytes, Refused } from "./server.js";
import { watch } from "./watch.js";

const LOWEST = 0.05; // score that is asked for
const AT_ONCE = 2; // pictures under way
const EXIF_WITHIN = 2 ** 17; // bytes of a file: two JPEG segments
const ALWAYS_LISTED = 12; // classes; of more, only those that were found are listed

const part = (id) => document.getElementById(id);
const pictures = []; // {name, card, canvas, bitmap, answer, order}
const waiting = [];
const hidden = new Set(); // labels
let model, camera, lowest, underWay = 0, taken = 0;

async function begin() {
  try {
    model = await (await ask("v1/model")).json();
  } catch (error) {
    part("about").className = "problem";
    part("about").textContent = error.message;
    return;
  }
  if (model.watch) {
    part("about").textContent = model.watch;
    part("controls").hidden = part("empty").hidden = part("api").hidden = true;
    watch(part("cards"), say);
    return;
  }
  const { classes } = model;
  part("title").textContent = model.name;
  document.title = `${model.name} – yolokit`;
  const kinds = classes.length === 1 ? "1 class" : `${classes.length} classes`;
  part("about").textContent = `${model.facts.model}, ${kinds}, ${model.facts["runs by"]}`;
  lowest = Math.max(LOWEST, model.lowest_conf);
  part("conf").min = lowest;
  part("conf").value = model.conf;
  listClasses();
  wire();
  refresh();
}

function wire() {
  part("files").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = ""; // the same file may be chosen again
  });
  part("conf").addEventListener("input", refresh);
  part("all").addEventListener("click", () => choose(true));
  part("none").addEventListener("click", () => choose(false));
  part("webcam").addEventListener("click", toggleCamera);
  part("clear").addEventListener("click", clear);
  part("json").addEventListener("click", () => saveJson(pictures.filter((each) => each.answer), "detections"));
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    take(event.dataTransfer.files);
  });
}

function take(files) {
  for (const file of files) {
    if (isFilm(file)) {
      const query = new URLSearchParams({ conf: part("conf").value });
      if (hidden.size) query.set("classes", wantedNames().join(","));
      const made = film(file, query, model.limits);
      part("cards").prepend(made.figure);
      made.done.then(() => say(`${file.name}: ${made.found.textContent}`));
    } else {
      const made = card(file.name);
      part("cards").append(made.figure);
      waiting.push({ file, card: made, order: taken });
      taken += 1;
    }
  }
  part("empty").hidden = true;
  part("tools").hidden = false;
  next();
}

function next() {
  while (underWay < AT_ONCE && waiting.length) {
    underWay += 1;
    look(waiting.shift()).finally(() => {
      underWay -= 1;
      next();
      refresh();
    });
  }
}

async function look({ file, card: shownCard, order }) {
  try {
    if (file.size > model.limits.picture_bytes) {
      throw new Refused(`The picture has ${megabytes(file.size)}, more than the ` +
        `${megabytes(model.limits.picture_bytes)} that are taken.`);
    }
    shownCard.found.textContent = "looking …";
    const answer = await (await ask(`v1/detect?conf=${lowest}`, { method: "POST", body: file })).json();
    const bitmap = await displayable(file, answer);
    add({ name: file.name, card: shownCard, bitmap, answer, order });
  } catch (error) {
    fail(shownCard, error instanceof Refused ? error.message : `The picture failed: ${error.message}`);
    say(`${file.name}: ${shownCard.found.textContent}`);
    shownCard.row.append(button("Remove", file.name, () => shownCard.figure.remove()));
  }
}

/** The picture for a canvas; as the server saw it. Browsers differ in which tags turn a
 * picture, but for EXIF in a JPEG: what may be turned otherwise, or cannot be decoded (TIFF), the
 * server draws. */
async function displayable(file, answer) {
  const own = await createImageBitmap(file).catch(() => undefined);
  const fits = own && own.width === answer.width && own.height === answer.height;
  if (fits && (answer.orientation === 1 || (await isJpegWithExif(file)))) return own;
  const plain = await ask("v1/detect?conf=1&format=image", { method: "POST", body: file });
  return createImageBitmap(await plain.blob());
}

async function isJpegWithExif(file) {
  const head = new TextDecoder("latin1").decode(await file.slice(0, EXIF_WITHIN).arrayBuffer());
  return head.startsWith("\xff\xd8\xff") && head.includes("Exif\0\0");
}

function add(picture) {
  if (!picture.card.figure.isConnected) return; // cleared meanwhile
  const { card: made, answer, name } = picture;
  picture.canvas = make("canvas", { role: "img" });
  made.figure.prepend(picture.canvas);
  picture.rows = make("div", { class: "scroll" });
  picture.details = make("details", {}, make("summary", { text: "Boxes and times" }), picture.rows);
  made.caption.append(picture.details);
  picture.details.addEventListener("toggle", () => refreshPicture(picture));
  picture.time = make("p", {
    class: "soft",
    text: `${answer.width}×${answer.height} px · ${Math.round(answer.ms.total)} ms, ` +
      `of which the network ${Math.round(answer.ms.network)} ms`,
  });
  made.row.append(
    button("Save picture", name, () => picture.canvas.toBlob((blob) => save(blob, `${stem(name)}_boxes.png`))),
    button("Save JSON", name, () => saveJson([picture], stem(name))),
    button("Remove", name, () => {
      made.figure.remove();
      pictures.splice(pictures.indexOf(picture), 1);
      refresh();
    }),
  );
  pictures.push(picture);
  pictures.sort((a, b) => a.order - b.order); // as they were chosen, not as they were answered
}

const conf = () => Number(part("conf").value);
const wantedNames = () => model.classes.filter((each) => !hidden.has(each.label)).map((each) => each.name);
const chosen = (detections) => shown(detections, conf(), hidden);
const colours = () => model.classes.map((each) => each.colour);

function refresh() {
  part("conf-value").textContent = conf().toFixed(2);
  for (const picture of pictures) refreshPicture(picture);
  if (camera) camera.redraw();
  const found = pictures.flatMap((each) => chosen(each.answer.detections));
  countClasses();
  part("json").hidden = !pictures.length;
  if (!pictures.length) return;
  const many = pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`;
  const left = waiting.length + underWay ? `, ${waiting.length + underWay} to come` : "";
  say(`${counted(found)} in ${many}${left}`);
}

function refreshPicture(picture) {
  const { answer } = picture;
  const found = chosen(answer.detections);
  draw(picture.canvas, picture.bitmap, [answer.width, answer.height], found, colours());
  picture.card.found.className = "found";
  picture.card.found.textContent = counted(found);
  picture.canvas.setAttribute("aria-label", `${picture.name}: ${counted(found)}`);
  if (picture.details.open) picture.rows.replaceChildren(picture.time, table(found));
}

function say(text) {
  part("status").textContent = text;
}

function listClasses() {
  const boxes = model.classes.map((each) => {
    const box = make("input", { type: "checkbox", id: `class-${each.label}` });
    box.checked = true;
    box.addEventListener("change", () => {
      hidden[box.checked ? "delete" : "add"](each.label);
      refresh();
    });
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    dot.setAttribute("viewBox", "0 0 10 10");
    dot.setAttribute("aria-hidden", "true");
    const round = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    for (const [name, value] of Object.entries({ cx: 5, cy: 5, r: 5, fill: each.colour })) {
      round.setAttribute(name, value);
    }
    dot.append(round);
    const name = make("span", { text: readable(each.name), title: each.name });
    return make("label", { class: "class", for: box.id }, box, dot, name, make("b"));
  });
  part("classes").replaceChildren(...boxes);
}

function countClasses() {
  const counts = new Map();
  for (const picture of [...pictures, ...(camera?.last ? [{ answer: camera.last }] : [])]) {
    for (const each of shown(picture.answer.detections, conf(), new Set())) {
      counts.set(each.label, (counts.get(each.label) ?? 0) + 1);
    }
  }
  const many = model.classes.length > ALWAYS_LISTED;
  [...part("classes").children].forEach((row, label) => {
    row.lastChild.textContent = counts.get(label) ?? "";
    row.hidden = many && !counts.has(label) && !hidden.has(label);
  });
  const listed = [...part("classes").children].some((row) => !row.hidden);
  part("classes-note").hidden = listed;
}

function choose(all) {
  hidden.clear();
  for (const box of part("classes").querySelectorAll("input")) box.checked = all;
  if (!all) for (const each of model.classes) hidden.add(each.label);
  refresh();
}

async function toggleCamera() {
  if (camera) {
    camera.stop();
    return;
  }
  const started = new Camera(lowest, (canvas, picture, size, detections) => {
    const found = chosen(detections);
    draw(canvas, picture, size, found, colours());
    countClasses();
    return counted(found);
  }, (reason) => {
    camera = undefined;
    pressed(false);
    if (reason) {
      started.canvas.remove();
      fail(started.card, reason);
    } else {
      started.card.figure.remove();
    }
    say(reason ?? "The webcam is off");
  });
  camera = started;
  pressed(true);
  part("empty").hidden = true;
  part("cards").prepend(started.card.figure);
  try {
    await started.start();
    if (!started.stopped) say("The webcam is on");
  } catch (error) {
    started.stop(error instanceof Refused ? error.message : `The webcam failed: ${error.message}`);
  }
}

function pressed(on) {
  part("webcam").setAttribute("aria-pressed", String(on));
  part("webcam").textContent = on ? "Stop the webcam" : "Use the webcam";
}

function clear() {
  camera?.stop();
  waiting.length = 0;
  pictures.length = 0;
  for (const figure of [...part("cards").children]) {
    const remove = figure.querySelector("video, progress") && figure.querySelector("button");
    if (remove) remove.click(); // a film: the server forgets it too
    figure.remove();
  }
  part("empty").hidden = false;
  part("tools").hidden = true;
  refresh();
  say("");
}

function saveJson(some, name) {
  const records = some.map(({ name: source, answer }) => ({
    source,
    width: answer.width,
    height: answer.height,
    detections: chosen(answer.detections),
  }));
  const text = JSON.stringify(some.length === 1 ? records[0] : records, null, 1);
  save(new Blob([text], { type: "application/json" }), `${name}.json`);
}

begin();
