// The cards: videos of one task beside each other, moved together. Nothing is loaded before it is on the screen, and
// no video before somebody plays or scrubs; until then, and where videos do not play, the strip stands for it.

const PAGE = 6;
const filters = document.getElementById("filters");
const cards = document.getElementById("cards");
const pager = document.getElementById("pager");
let state = stateOf(location.hash);

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
