// A video on a card, and the clock that moves all videos of a card together.

const canPlay = document.createElement("video").canPlayType('video/mp4; codecs="avc1.640028"') !== "";
let playing = null;

function make(tag, className, content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content !== undefined) node.textContent = content;
  return node;
}

const file = (sha256, suffix) => `videos/${sha256.slice(0, 2)}/${sha256}.${suffix}`;

// One run's video on a card: what is shown at a time, in seconds.
class Screen {
  constructor(pane, label) {
    [this.frames, this.fps, this.height, this.width, this.shown] = data.looks[pane[LOOK]];
    this.duration = this.fps > 0 ? this.frames / this.fps : 0;
    this.pane = pane;
    this.node = make("div", "screen");
    this.node.style.aspectRatio = `${this.width || 4} / ${this.height || 3}`;
    this.video = null;
    this.works = canPlay;
    this.image = null;
    if (pane[STRIP]) {
      this.image = new Image();
      this.image.loading = "lazy";
      this.image.alt = `${label}: first frame`;
      this.image.src = file(pane[SHA], "jpg");
      this.node.append(this.image);
    }
    this.hold(0);
  }

  // The strip's nearest frame, for as long as there is no video.
  hold(time) {
    if (!this.image || !this.shown.length) return;
    const frame = time * this.fps;
    let best = 0;
    this.shown.forEach((at, index) => { if (Math.abs(at + 0.5 - frame) < Math.abs(this.shown[best] + 0.5 - frame)) best = index; });
    this.image.style.objectPosition = `${(100 * best) / (data.frames - 1)}% 50%`;
  }

  load() {
    if (this.video || !this.works) return;
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.preload = "auto";
    video.tabIndex = -1;
    video.setAttribute("aria-hidden", "true");
    video.addEventListener("loadeddata", () => this.node.classList.add("plays"));
    video.addEventListener("error", () => {
      this.works = false;
      this.node.classList.remove("plays");
      video.remove();
      this.video = null;
    });
    video.src = file(this.pane[SHA], "mp4");
    this.video = video;
    this.node.append(video);
  }

  seek(time) {
    const inside = Math.min(time, this.duration - 0.5 / this.fps);
    if (this.video) this.video.currentTime = Math.max(inside, 0);
    this.hold(time);
  }

  follow(time) {
    this.hold(time);
    if (!this.video || this.video.readyState < 2) return;
    if (time >= this.duration) { if (!this.video.paused) this.video.pause(); return; }
    if (Math.abs(this.video.currentTime - time) > 0.12) this.video.currentTime = time;
    if (this.video.paused) this.video.play().catch(() => {});
  }

  free() {
    if (!this.video) return;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
    this.video = null;
    this.node.classList.remove("plays");
  }
}

// A card's clock: play, pause, scrub and frame steps for all of its screens.
class Clock {
  constructor(screens) {
    this.screens = screens;
    this.fps = Math.max(...screens.map((one) => one.fps), 1);
    this.duration = Math.max(...screens.map((one) => one.duration), 0);
    this.frames = Math.max(1, Math.round(this.duration * this.fps));
    this.time = 0;
    this.node = make("div", "controls");
    this.button = make("button", "play", "\u25b6 Play");
    const back = make("button", "", "\u2039");
    const on = make("button", "", "\u203a");
    back.setAttribute("aria-label", "One frame back");
    on.setAttribute("aria-label", "One frame on");
    this.range = make("input");
    Object.assign(this.range, { type: "range", min: "0", max: String(this.frames - 1), step: "1", value: "0" });
    this.range.setAttribute("aria-label", "Frame");
    this.speed = make("select");
    this.speed.setAttribute("aria-label", "Speed");
    for (const rate of ["1", "0.5", "0.25"]) this.speed.append(new Option(`${rate}x`, rate));
    this.output = make("output");
    for (const button of [this.button, back, on]) button.type = "button";
    this.node.append(this.button, back, on, this.speed, this.range, this.output);
    this.button.addEventListener("click", () => (playing === this ? this.pause() : this.play()));
    back.addEventListener("click", () => this.step(-1));
    on.addEventListener("click", () => this.step(1));
    this.range.addEventListener("input", () => this.to(Number(this.range.value)));
    this.speed.addEventListener("change", () => this.rate());
    this.tell();
  }

  frame() { return Math.min(this.frames - 1, Math.max(0, Math.floor(this.time * this.fps + 1e-6))); }

  tell() {
    this.range.value = String(this.frame());
    const said = `${(this.frame() / this.fps).toFixed(2)} s, frame ${this.frame() + 1} of ${this.frames}`;
    this.output.textContent = said;
    this.range.setAttribute("aria-valuetext", said);
  }

  load() { for (const one of this.screens) one.load(); }

  rate() { for (const one of this.screens) if (one.video) one.video.playbackRate = Number(this.speed.value); }

  // The middle of a frame, so that no rounding shows its neighbour.
  to(frame) {
    this.pause();
    this.load();
    this.time = (Math.min(this.frames - 1, Math.max(0, frame)) + 0.5) / this.fps;
    for (const one of this.screens) one.seek(this.time);
    this.tell();
  }

  step(by) { this.to(this.frame() + by); }

  play() {
    if (playing) playing.pause();
    playing = this;
    this.load();
    this.rate();
    if (this.frame() >= this.frames - 1) this.time = 0;
    this.button.textContent = "\u275a\u275a Pause";
    let last = performance.now();
    const patience = last + 4000;
    const tick = (now) => {
      if (playing !== this) return;
      const ready = now > patience || this.screens.every((one) => !one.video || one.video.readyState >= 2);
      if (ready) this.time += ((now - last) / 1000) * Number(this.speed.value);
      last = now;
      if (this.time >= this.duration) {
        this.time = 0;
        for (const one of this.screens) one.seek(0);
      }
      for (const one of this.screens) one.follow(this.time);
      this.tell();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (playing === this) playing = null;
    this.button.textContent = "\u25b6 Play";
    for (const one of this.screens) if (one.video) one.video.pause();
  }

  free() {
    this.pause();
    for (const one of this.screens) one.free();
  }
}
