// A webcam: frames go to the server one at a time, each shown with the boxes that were found in it.
// A frame that fails is skipped; only what goes on failing ends the live view.

import { card } from "./cards.js";
import { pause, Refused, sentence } from "./server.js";

const LONGEST_SIDE = 640; // pixels of a frame that is sent
const QUALITY = 0.8; // of its JPEG
const RATE_OVER = 10; // frames
const LASTING = 8000; // milliseconds of failures, after which it ends
const OPENING = 5000, ANSWERING = 30_000; // milliseconds; a slow model is told by its server
const FIRST_PAUSE = 250, LONGEST_PAUSE = 2000; // milliseconds before the next try
const SILENT = "The server does not answer.";
const NO_SOCKET = "The server answers, but not to the webcam's WebSocket. Does a proxy between pass it on?";
const UNPLUGGED = "The webcam has gone: it was unplugged, or its permission was taken away.";
const FINAL = ["settings", "frame"]; // kinds of refusals that would come again
const REFUSALS = {
  NotAllowedError: "The browser may not use the webcam. Allow it in the browser's settings.",
  NotFoundError: "No webcam was found.",
  NotReadableError: "The webcam is used by another program.",
};

/** Runs until `stop`; `show(canvas, picture, size, detections)` draws and says what was found. */
export class Camera {
  constructor(lowest, show, ended) {
    this.lowest = lowest;
    this.show = show;
    this.ended = ended;
    this.card = card("Webcam", "wide");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.card.figure.prepend(this.canvas);
    this.canvas.hidden = true;
    this.video = document.createElement("video");
    this.sent = document.createElement("canvas");
    this.frame = document.createElement("canvas"); // the newest that was answered
    this.times = [];
    this.pause = FIRST_PAUSE;
  }

  /** Begin. Throws a `Refused` where there is no webcam. */
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Refused("Browsers allow a webcam only at https addresses and at localhost.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: "environment" },
      });
    } catch (error) {
      throw new Refused(REFUSALS[error.name] ?? `The webcam cannot be used: ${error.message}`);
    }
    if (this.stopped) { // while the browser asked
      this.release();
      return;
    }
    for (const track of this.stream.getTracks()) {
      track.addEventListener("ended", () => this.stop(UNPLUGGED));
    }
    this.video.srcObject = this.stream;
    this.video.muted = true;
    await this.video.play();
    this.connect();
  }

  connect() {
    const address = new URL(`v1/webcam?conf=${this.lowest}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    const ours = (action) => (event) => socket === this.socket && action(event);
    socket.addEventListener("open", ours(() => {
      this.opened = true;
      this.send();
    }));
    socket.addEventListener("message", ours((event) => this.answer(JSON.parse(event.data))));
    socket.addEventListener("close", ours(() => this.retry(this.reason ?? SILENT)));
    this.expect(OPENING);
  }

  /** Something from the server, before long. */
  expect(duration) {
    clearTimeout(this.timer);
    this.asked = performance.now();
    this.timer = setTimeout(() => this.retry(SILENT), duration);
  }

  async send() {
    if (this.stopped) return;
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    this.sent.width = Math.round(videoWidth * scale);
    this.sent.height = Math.round(videoHeight * scale);
    this.sent.getContext("2d").drawImage(this.video, 0, 0, this.sent.width, this.sent.height);
    const { socket } = this;
    const blob = await new Promise((done) => this.sent.toBlob(done, "image/jpeg", QUALITY));
    if (this.stopped || socket !== this.socket || socket.readyState !== WebSocket.OPEN) return;
    if (blob) {
      socket.send(blob);
      this.expect(ANSWERING);
    } else {
      this.retry("The webcam shows nothing.");
    }
  }

  answer(said) {
    if (this.stopped) return;
    if (said.error) {
      this.reason = sentence(said.error.message);
      if (FINAL.includes(said.error.kind)) this.stop(this.reason);
      else this.retry(this.reason);
      return;
    }
    this.reason = this.failing = undefined;
    this.pause = FIRST_PAUSE;
    this.last = said;
    this.frame.width = this.sent.width;
    this.frame.height = this.sent.height;
    this.frame.getContext("2d").drawImage(this.sent, 0, 0);
    this.times = [...this.times.slice(1 - RATE_OVER), performance.now()];
    this.redraw();
    this.send();
  }

  /** Skip a frame, wait longer each time, and go on; end where nothing else has come for long. */
  async retry(reason) {
    clearTimeout(this.timer);
    if (this.stopped || this.waiting) return;
    this.times = [];
    this.failing ??= reason === SILENT ? this.asked : performance.now();
    if (performance.now() - this.failing > LASTING) {
      const refused = !this.opened && await fetch("v1/model").then((said) => said.ok, () => false);
      this.stop(refused ? NO_SOCKET : reason);
      return;
    }
    this.card.found.className = "found soft";
    this.card.found.textContent = `${reason} Trying again …`;
    this.waiting = true;
    await pause(this.pause);
    this.waiting = false;
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    if (this.stopped) return;
    if (this.socket.readyState === WebSocket.OPEN && reason !== SILENT) {
      this.send();
    } else {
      this.socket.close();
      this.connect();
    }
  }

  /** The newest frame again: a slider moved. */
  redraw() {
    if (!this.last) return;
    this.canvas.hidden = false;
    const said = this.show(this.canvas, this.frame, [this.last.width, this.last.height],
      this.last.detections);
    this.canvas.setAttribute("aria-label", `Webcam: ${said}`);
    if (this.failing) return; // which is what the line says
    this.card.found.className = "found";
    this.card.found.textContent = said + this.rate();
  }

  rate() {
    const [first, last] = [this.times[0], this.times.at(-1)];
    if (first === last) return "";
    const rate = 1000 * (this.times.length - 1) / (last - first);
    return ` · ${rate.toFixed(rate < 2 ? 1 : 0)} frames a second`;
  }

  /** End; with a reason where nobody asked for it. */
  stop(reason) {
    if (this.stopped) return;
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.release();
    this.ended(reason);
  }

  release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
  }
}
