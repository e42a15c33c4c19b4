// A webcam: frames go to the server one at a time, each shown with the boxes that were found in it.

import { card } from "./cards.js";
import { Refused } from "./server.js";

const LONGEST_SIDE = 640; // pixels of a frame that is sent
const QUALITY = 0.8; // of its JPEG
const RATE_OVER = 1000; // milliseconds
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
    this.frame = document.createElement("canvas");
    this.times = [];
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
    this.video.srcObject = this.stream;
    this.video.muted = true;
    await this.video.play();
    const address = new URL(`v1/webcam?conf=${this.lowest}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => this.send());
    this.socket.addEventListener("message", (event) => this.answer(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => this.stop("The server ended the connection."));
  }

  async send() {
    if (this.stopped) return;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(this.video.videoWidth, this.video.videoHeight));
    this.frame.width = Math.round(this.video.videoWidth * scale);
    this.frame.height = Math.round(this.video.videoHeight * scale);
    this.frame.getContext("2d").drawImage(this.video, 0, 0, this.frame.width, this.frame.height);
    const blob = await new Promise((done) => this.frame.toBlob(done, "image/jpeg", QUALITY));
    if (!this.stopped) this.socket.send(blob);
  }

  answer(said) {
    if (this.stopped) return;
    if (said.error) {
      this.stop(said.error.message);
      return;
    }
    this.last = said;
    this.redraw();
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < RATE_OVER), now];
    this.send();
  }

  /** The newest frame again: a slider moved. */
  redraw() {
    if (!this.last) return;
    this.canvas.hidden = false;
    const said = this.show(this.canvas, this.frame, [this.last.width, this.last.height],
      this.last.detections);
    this.card.found.className = "found";
    this.card.found.textContent = `${said} · ${this.times.length} frames a second`;
    this.canvas.setAttribute("aria-label", `Webcam: ${said}`);
  }

  /** End; with a reason where nobody asked for it. */
  stop(reason) {
    if (this.stopped) return;
    this.stopped = true;
    this.socket?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.ended(reason);
  }
}
