// Which boxes are shown, in words and on a canvas. Texts of strangers are drawn, never parsed.

const LONGEST_SIDE = 4096; // pixels of a canvas
const LONGEST_NAME = 60; // characters that are shown
const MOST_KINDS = 12; // that are counted one by one
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g; // would turn what stands around it, too

/** What scores more than `conf`, as `yolokit detect --conf` compares: in 32 bits. */
export function shown(detections, conf, hidden) {
  const limit = Math.fround(conf);
  return detections.filter((each) => each.score > limit && !hidden.has(each.label));
}

/** "3 fish, 1 shark", the most first. */
export function counted(detections) {
  const counts = new Map();
  for (const each of detections) counts.set(each.name, (counts.get(each.name) ?? 0) + 1);
  return listed([...counts]);
}

/** The same for [name, count] pairs. */
export function listed(counts) {
  const ordered = counts.sort((a, b) => b[1] - a[1]);
  const said = ordered.slice(0, MOST_KINDS).map(([name, count]) => `${count} ${readable(name)}`);
  const others = ordered.slice(MOST_KINDS).reduce((sum, [, count]) => sum + count, 0);
  if (others) said.push(`${others} of ${ordered.length - MOST_KINDS} other classes`);
  return said.join(", ") || "nothing";
}

/** A class's name, for people: cut where it is long. */
export function readable(name) {
  const letters = [...name.replace(TURNING, "\ufffd")];
  return letters.length > LONGEST_NAME ? `${letters.slice(0, LONGEST_NAME).join("")}…` : letters.join("");
}

/** Draw a picture and its boxes; `size` is the picture's [width, height] as the server saw it. */
export function draw(canvas, picture, size, detections, colours) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(...size));
  canvas.width = Math.max(1, Math.round(size[0] * scale));
  canvas.height = Math.max(1, Math.round(size[1] * scale));
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const extent = Math.sqrt(canvas.width * canvas.height);
  const line = extent < 160 ? 1 : Math.max(2, Math.round(extent / 280));
  const font = Math.min(Math.max(Math.round(extent / 30), 10), 40);
  for (const each of [...detections].reverse()) { // the better lies on top
    outline(pen, each, scale, line, colours[each.label]);
  }
  const places = [];
  for (const each of detections) label(pen, each, scale, font, colours[each.label], places);
}

function outline(pen, found, scale, line, colour) {
  const [x, y, width, height] = found.box_xywh.map((value) => value * scale);
  pen.lineWidth = line;
  pen.strokeStyle = colour;
  pen.strokeRect(x + line / 2, y + line / 2, Math.max(width - line, 1), Math.max(height - line, 1));
}

/** Above its box, else inside or below it; none where it would cover a better one's. */
function label(pen, found, scale, font, colour, places) {
  const [x, y, , tall] = found.box_xywh.map((value) => value * scale);
  const text = `${readable(found.name)} ${found.score.toFixed(2)}`;
  const pad = Math.max(2, Math.round(font / 5));
  pen.font = `${font}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + 2 * pad;
  const height = font + 2 * pad;
  const left = Math.max(0, Math.min(x, pen.canvas.width - width));
  const top = [y - height, y, y + tall].find((at) => at >= 0 && at + height <= pen.canvas.height &&
    !places.some((other) => cross(other, [left, at, width, height])));
  if (top === undefined) return;
  places.push([left, top, width, height]);
  pen.fillStyle = colour;
  pen.fillRect(left, top, width, height);
  pen.fillStyle = isLight(colour) ? "#000" : "#fff";
  pen.textBaseline = "middle";
  pen.fillText(text, left + pad, top + height / 2);
}

function cross(a, b) {
  return a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];
}

function isLight(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 110; // ITU-R BT.601
}
