"use strict";
// Which videos are shown. The layout of the data is that of players.py; the state is kept in the address, to be shared.

const data = JSON.parse(document.getElementById("data").textContent);
const text = (place) => (place < 0 ? "" : data.texts[place]);
const [SHA, STRIP, MISSING, LOOK, PROMPT, SECONDS, VLM, ANSWERS, JUDGED] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const [ODDS, YES, SAID, FAILED, EXACT, OTHERS] = [0, 1, 2, 3, 4, 5];
const [ID, TASK, SOLUTION, AGENT, TYPE, CATEGORY, GROUP] = [0, 1, 2, 3, 4, 5, 6];
const START = { set: "0", question: "0", right: "", wrong: "", show: "", type: "", agent: "", seed: "", order: "", q: "", page: "0" };

// 1 yes, 0 no, -1 no answer.
function answer(pane, question) {
  const one = pane && pane[ANSWERS][question];
  return one ? one[YES] : -1;
}

const failed = (pane) => Boolean(pane) && pane[ANSWERS].some((one) => one && one[YES] < 0);

const searchable = new Map();
function words(row) {
  let found = searchable.get(row);
  if (found === undefined) {
    const panes = row[3].filter(Boolean);
    const places = new Set(data.samples[row[1]]);
    for (const pane of panes) {
      places.add(pane[PROMPT]).add(pane[MISSING]);
      for (const one of pane[ANSWERS]) if (one) places.add(one[SAID]).add(one[FAILED]);
    }
    found = [...places].map(text).join("\n").toLowerCase();
    searchable.set(row, found);
  }
  return found;
}

function matches(row, state) {
  const sample = data.samples[row[1]];
  const question = Number(state.question);
  const panes = row[3];
  if (row[0] !== Number(state.set)) return false;
  if (state.right !== "" && answer(panes[Number(state.right)], question) !== 1) return false;
  if (state.wrong !== "" && answer(panes[Number(state.wrong)], question) !== 0) return false;
  if (state.type && text(sample[TYPE]) !== state.type) return false;
  if (state.agent && text(sample[CATEGORY]) !== state.agent) return false;
  if (state.seed && row[2] !== Number(state.seed)) return false;
  const known = panes.map((pane) => answer(pane, question)).filter((yes) => yes >= 0);
  const differ = new Set(known).size > 1;
  if (state.show === "differ" && !differ) return false;
  if (state.show === "agree" && (differ || !known.length)) return false;
  if (state.show === "failed" && !panes.some(failed)) return false;
  if (state.show === "missing" && panes.every((pane) => pane && pane[SHA])) return false;
  return state.q.toLowerCase().split(/\s+/).every((word) => words(row).includes(word));
}

// How far apart the runs' log-odds are.
function apart(row, question) {
  const odds = row[3].map((pane) => pane && pane[ANSWERS][question]).filter((one) => one && one[ODDS] !== null);
  const values = odds.map((one) => one[ODDS]);
  return values.length > 1 ? Math.max(...values) - Math.min(...values) : -1;
}

function chosen(state) {
  const rows = data.rows.filter((row) => matches(row, state));
  if (state.order !== "apart") return rows;
  const question = Number(state.question);
  return rows.map((row) => [apart(row, question), row]).sort((a, b) => b[0] - a[0]).map((pair) => pair[1]);
}

function stateOf(hash) {
  const state = { ...START };
  if (!hash.startsWith("#videos?")) return state;
  for (const [name, value] of new URLSearchParams(hash.slice(8))) if (name in START) state[name] = value;
  const whole = (value, below) => /^\d+$/.test(value) && Number(value) < below;
  if (!whole(state.set, data.sets.length)) state.set = "0";
  const set = data.sets[Number(state.set)];
  if (!set || !whole(state.question, set.questions.length)) state.question = "0";
  for (const name of ["right", "wrong"]) if (!set || !whole(state[name], set.runs.length)) state[name] = "";
  if (!whole(state.page, 1e6)) state.page = "0";
  return state;
}

function hashOf(state) {
  const said = Object.entries(state).filter(([name, value]) => value !== START[name]);
  return said.length ? "#videos?" + new URLSearchParams(said) : "#videos";
}
