// The cards: videos of one task beside each other, moved together. Nothing is loaded before it is on the screen, and
// no video before somebody plays or scrubs; until then, and where videos do not play, the strip stands for it.

const PAGE = 6;
const filters = document.getElementById("filters");
const cards = document.getElementById("cards");
const pager = document.getElementById("pager");
const canPlay = document.createElement("video").canPlayType('video/mp4; codecs="avc1.640028"') !== "";
let state = stateOf(location.hash);
let playing = null;

function make(tag, className, content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content !== undefined) node.textContent = content;
  return node;
}

const file = (sha256, suffix) => `videos/${sha256.slice(0, 2)}/${sha256}.${suffix}`;
const signed = (value) => (value > 0 ? "+" : "") + value.toFixed(2);
const MARK = { 1: ["yes", "\u2713 yes"], 0: ["no", "\u2717 no"], "-1": ["none", "\u2013 no answer"] };

function reveal(summary, content) {
  const details = make("details");
  details.append(make("summary", "", summary), make("p", "", content));
  return details;
}

function answersOf(set, pane) {
  const list = make("dl", "answers");
  set.questions.forEach((name, question) => {
    const one = pane[ANSWERS][question];
    const line = make("div");
    const said = make("dd");
    if (!one) said.append(make("span", "none", "\u2013 not asked"));
    else {
      said.append(make("span", ...MARK[one[YES]]));
      if (one[ODDS] !== null) said.append(` ${one[EXACT] ? "" : "beyond "}${signed(one[ODDS])}`);
      if (one[FAILED] >= 0) said.append(make("q", "", text(one[FAILED])));
      else if (one[SAID] >= 0) said.append(make("q", "", text(one[SAID])));
      if (one[OTHERS].length) {
        const other = one[OTHERS].filter((more) => more[1] !== one[YES]);
        const alike = one[OTHERS].length - other.length;
        const told = other.map(([who, yes]) => `${text(who)} ${MARK[yes][1]}`);
        if (alike) told.unshift(`${alike} of ${one[OTHERS].length} other answers agree`);
        said.append(make("span", "others", told.join("; ")));
      }
    }
    line.append(make("dt", "", name), said);
    list.append(line);
  });
  return list;
}

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

function stripOf(screen, label) {
  const node = make("div", "strip");
  const times = screen.shown.map((at) => (screen.fps > 0 ? `${(at / screen.fps).toFixed(1)} s` : ""));
  for (const [half, side] of [["first three", "0%"], ["last three", "100%"]]) {
    const image = new Image();
    image.loading = "lazy";
    image.src = file(screen.pane[SHA], "jpg");
    image.alt = half === "first three" ? `${label}: six frames, at ${times.join(", ")}` : "";
    image.style.aspectRatio = `${3 * (screen.width || 4)} / ${screen.height || 3}`;
    image.style.objectPosition = `${side} 50%`;
    node.append(image);
  }
  const marks = make("div", "times");
  marks.setAttribute("aria-hidden", "true");
  marks.append(make("span", "", times[0] || ""), make("span", "", times[times.length - 1] || ""));
  return [node, marks];
}

function paneOf(set, run, pane, screens) {
  const label = set.runs[run][0];
  const node = make("div", "pane");
  const name = make("h4", "", label);
  name.title = label;
  node.append(name);
  if (!pane || !pane[SHA]) {
    node.append(make("div", "nothing", pane ? `Video missing: ${text(pane[MISSING])}` : "Video missing: this run has none of it"));
    if (pane) node.append(answersOf(set, pane));
    return node;
  }
  const screen = new Screen(pane, label);
  screens.push(screen);
  node.append(screen.node);
  if (pane[STRIP]) node.append(...stripOf(screen, label));
  else node.append(make("p", "quiet", "No strip: the file does not decode."));
  node.append(answersOf(set, pane));
  const seen = pane[JUDGED] < 0 ? "" : data.judged[pane[JUDGED]][1].map((time) => time.toFixed(2)).join(", ");
  const facts = [`${screen.frames} frames, ${screen.fps} a second, ${screen.width} x ${screen.height}`];
  if (pane[SECONDS]) facts.push(`made in ${pane[SECONDS]} s${pane[VLM] ? `, ${pane[VLM]} s of it by the VLM` : ""}`);
  if (seen) facts.push(`the judge saw the frames at ${seen} s`);
  set.questions.forEach((name, question) => {
    const one = pane[ANSWERS][question];
    for (const [who, yes, odds] of one ? one[OTHERS] : []) facts.push(`${name}, ${text(who)}: ${MARK[yes][1]}${odds === null ? "" : ` ${signed(odds)}`}`);
  });
  node.append(reveal("Prompt and facts", `${text(pane[PROMPT])}\n\n${facts.join("\n")}`));
  return node;
}

function cardOf(row) {
  const set = data.sets[row[0]];
  const sample = data.samples[row[1]];
  const node = make("article", "card");
  const title = make("h3", "", text(sample[TASK]) || "(no task)");
  title.dir = "auto";
  const facts = [text(sample[ID]), `seed ${row[2]}`, text(sample[TYPE]), text(sample[CATEGORY]), text(sample[GROUP])];
  node.append(title, make("p", "quiet", facts.filter(Boolean).map((word) => word.replaceAll("_", " ")).join(" \u00b7 ")));
  if (sample[SOLUTION] >= 0) node.append(reveal("Solution D", text(sample[SOLUTION])));
  const screens = [];
  const panes = make("div", set.runs.length < 4 ? "panes few" : "panes");
  set.runs.forEach((_, run) => panes.append(paneOf(set, run, row[3][run], screens)));
  if (screens.length) {
    node.clock = new Clock(screens);
    node.append(node.clock.node);
  }
  node.append(panes);
  return node;
}

const gone = new IntersectionObserver((entries) => {
  for (const entry of entries) if (!entry.isIntersecting && entry.target.clock) entry.target.clock.free();
}, { rootMargin: "400px" });

function options(name, values) {
  const select = filters.elements[name];
  select.replaceChildren(...values.map(([value, label]) => new Option(label, value)));
  select.value = state[name];
  if (select.value !== state[name]) { state[name] = START[name]; select.value = state[name]; }
  return values.length;
}

function distinct(field) {
  const found = new Set(data.rows.filter((row) => row[0] === Number(state.set)).map((row) => text(data.samples[row[1]][field])));
  return [["", "all"], ...[...found].filter(Boolean).sort().map((value) => [value, value.replaceAll("_", " ")])];
}

function fill() {
  const set = data.sets[Number(state.set)];
  const runs = [["", "any"], ...set.runs.map(([label], place) => [String(place), label])];
  filters.querySelector(".set").hidden = options("set", data.sets.map((one, place) => [String(place), one.name])) < 2;
  options("question", set.questions.map((name, place) => [String(place), name]));
  options("right", runs);
  options("wrong", runs);
  options("type", distinct(TYPE));
  options("agent", distinct(CATEGORY));
  const seeds = new Set(data.rows.filter((row) => row[0] === Number(state.set)).map((row) => row[2]));
  filters.querySelector(".seeds").hidden = options("seed", [["", "all"], ...[...seeds].sort((a, b) => a - b).map((seed) => [String(seed), String(seed)])]) < 3;
  for (const name of ["show", "order", "q"]) filters.elements[name].value = state[name];
  const of = (role) => set.runs.findIndex((run) => run[1] === role);
  const presets = [];
  const [base, executor] = [of("base"), of("executor")];
  if (base >= 0 && executor >= 0 && set.questions.length) {
    presets.push(["Executor right, base wrong", { right: String(executor), wrong: String(base) }]);
    presets.push(["Base right, Executor wrong", { right: String(base), wrong: String(executor) }]);
  }
  presets.push(["Show all", null]);
  document.getElementById("presets").replaceChildren(...presets.map(([name, change]) => {
    const wanted = change ? { ...START, set: state.set, question: state.question, ...change } : { ...START, set: state.set };
    const button = make("button", "", change ? `${name} (${chosen(wanted).length})` : name);
    button.type = "button";
    button.addEventListener("click", () => { state = wanted; fill(); show(); });
    return button;
  }));
}

function show(moved) {
  const rows = chosen(state);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const page = Math.min(Number(state.page), pages - 1);
  state.page = String(page);
  for (const card of cards.children) {
    gone.unobserve(card);
    if (card.clock) card.clock.free();
  }
  cards.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(cardOf));
  for (const card of cards.children) gone.observe(card);
  const all = data.rows.filter((row) => row[0] === Number(state.set)).length;
  document.getElementById("count").textContent = rows.length ? `${rows.length} of ${all} tasks and seeds` : `None of ${all} tasks and seeds fits these filters.`;
  document.getElementById("where").textContent = `Page ${page + 1} of ${pages}`;
  pager.hidden = pages < 2;
  for (const button of pager.querySelectorAll("button")) {
    const to = page + Number(button.dataset.go);
    button.disabled = to < 0 || to >= pages;
  }
  if (moved) history.replaceState(null, "", hashOf(state));
}

if (data.sets.length) {
  document.getElementById("noplay").hidden = canPlay;
  filters.hidden = false;
  fill();
  show();
  if (location.hash.startsWith("#videos?")) document.getElementById("videos").scrollIntoView();
  let waiting = 0;
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", (event) => {
    const name = event.target.name;
    state = { ...state, [name]: event.target.value, page: "0" };
    if (name === "set") { state = { ...START, set: state.set }; }
    if (name === "set" || name === "question") fill();
    clearTimeout(waiting);
    waiting = setTimeout(() => show(true), name === "q" ? 200 : 0);
  });
  for (const button of pager.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      state.page = String(Number(state.page) + Number(button.dataset.go));
      show(true);
      document.getElementById("count").scrollIntoView({ block: "start" });
    });
  }
  window.addEventListener("hashchange", () => {
    if (!location.hash.startsWith("#videos?")) return;
    state = stateOf(location.hash);
    fill();
    show();
  });
}
