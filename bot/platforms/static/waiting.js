// What is shown while something is worked on: a bar, words, and a way to stop it where there is one.

import { element } from "/card.js";

export function drawWaiting(words) {
  const node = element("div", "waiting");
  const bar = element("span", "progress");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", words || "Working…");
  node.append(bar, element("span", "words", words));
  return node;
}

// state: {words, fraction: 0 to 1 or null, stop: an action or ""}; onStop(action) -> whether it was sent.
export function showState(node, { words, fraction, stop }, onStop) {
  const bar = node.querySelector(".progress");
  node.querySelector(".words").textContent = words;
  bar.setAttribute("aria-label", words);
  if (fraction !== null) fill(bar, fraction);
  if (stop && !node.querySelector("button")) node.append(drawStop(stop, onStop));
}

function fill(bar, fraction) {
  bar.classList.add("known");
  bar.style.setProperty("--done", `${fraction * 100}%`);
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  bar.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
}

function drawStop(action, onStop) {
  const button = element("button", "button stop", "Stop");
  button.type = "button";
  button.addEventListener("click", () => {
    if (!onStop(action)) return;
    button.disabled = true;
    button.textContent = "stopping…";
  });
  return button;
}
