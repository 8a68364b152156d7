"use strict";
// Everything here is an extra: without it the page shows the same numbers as tables.

const measures = JSON.parse(document.getElementById("measures").textContent);
const whole = new Intl.NumberFormat("en");
const round = (value) => (Math.abs(value) >= 1000 ? whole.format(Math.round(value)) : String(Number(value.toPrecision(4))));

// How many of the sorted sample `values` lie below `limit` (or at it, with `inclusive`), between two of them by proportion.
function below(values, limit, inclusive) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit || (inclusive && values[middle] === limit)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rank(measure, limit, inclusive) {
  const { values, eligible } = measure;
  const at = below(values, limit, inclusive);
  if (values.length === eligible || at === 0) return (at * eligible) / Math.max(values.length, 1);
  if (at === values.length) return eligible;
  const gap = values[at] - values[at - 1];
  const part = gap > 0 ? (limit - values[at - 1]) / gap : 0;
  return (eligible * (at - 1 + part)) / (values.length - 1);
}

function keeps(measure, low, high) {
  const last = high === null ? measure.eligible : rank(measure, high, true);
  const first = low === null ? 0 : rank(measure, low, false);
  return Math.max(0, Math.round(last - first));
}

function place(measure, value) {
  const map = measure.log ? (number) => Math.log(Math.max(number, measure.edges[0])) : (number) => number;
  const [low, high] = measure.edges.map(map);
  return Math.min(1, Math.max(0, (map(value) - low) / (high - low)));
}

function valueAt(measure, share) {
  const [low, high] = measure.edges;
  return measure.log ? low * Math.pow(high / low, share) : low + (high - low) * share;
}

for (const figure of document.querySelectorAll("figure[data-measure]")) {
  const measure = measures[figure.dataset.measure];
  const panel = figure.querySelector(".try");
  if (!measure || !panel) continue;
  panel.hidden = false;
  const inputs = [...panel.querySelectorAll("input")];
  const told = panel.querySelector(".would");
  const asItIs = told.textContent;
  const now = { low: measure.low, high: measure.high };
  const draw = () => {
    for (const input of inputs) {
      const side = input.dataset.side;
      const line = figure.querySelector(`.threshold[data-side="${side}"]`);
      const at = (100 * place(measure, now[side])).toFixed(3) + "%";
      line.querySelector("line").setAttribute("x1", at);
      line.querySelector("line").setAttribute("x2", at);
      line.querySelector("text").setAttribute("x", at);
      line.querySelector("text").setAttribute("text-anchor", parseFloat(at) < 50 ? "start" : "end");
      line.querySelector("text").textContent = round(now[side]);
      input.parentElement.querySelector(".at").textContent = round(now[side]);
      input.setAttribute("aria-valuetext", round(now[side]));
    }
    if (now.low === measure.low && now.high === measure.high) {
      told.textContent = asItIs;
      return;
    }
    const kept = keeps(measure, now.low, now.high);
    const change = kept - keeps(measure, measure.low, measure.high);
    const about = measure.values.length === measure.eligible ? "" : "about ";
    const share = measure.rows ? ((100 * kept) / measure.rows).toFixed(1) : "0";
    const sign = change > 0 ? "+" : "";
    told.textContent = `${about}${whole.format(kept)} of ${whole.format(measure.rows)} kept (${share} %), ${sign}${whole.format(change)}`;
  };
  const reset = () => {
    now.low = measure.low;
    now.high = measure.high;
    for (const input of inputs) input.value = String(1000 * place(measure, now[input.dataset.side]));
    draw();
  };
  for (const input of inputs) {
    input.step = "any";
    input.addEventListener("input", () => {
      now[input.dataset.side] = valueAt(measure, Number(input.value) / 1000);
      draw();
    });
  }
  panel.querySelector(".reset").addEventListener("click", reset);
  reset();
}

const viewer = document.getElementById("viewer");
const pictures = [...document.querySelectorAll("button.picture")];
let current = 0;

function show(index) {
  current = (index + pictures.length) % pictures.length;
  const image = pictures[current].querySelector("img");
  const large = viewer.querySelector("img");
  large.src = image.src;
  large.alt = image.alt;
  const caption = pictures[current].closest("figure").querySelector("figcaption");
  viewer.querySelector("p").textContent = [...caption.children].map((part) => part.textContent.trim()).join(" - ");
  if (!viewer.open) viewer.showModal();
}

pictures.forEach((button, index) => {
  button.classList.add("opens");
  button.addEventListener("click", () => show(index));
});
document.getElementById("viewer-close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") show(current + 1);
  if (event.key === "ArrowLeft") show(current - 1);
});

window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
