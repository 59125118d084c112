// The few values a button still has to ask for, as fields on its card.

import { element } from "/card.js";

const WHOLE = /^\d+$/;
const NUMBER = /^\d*\.?\d+$/;
const CENTS = /^(\d+),(\d{1,2})$/;
const KINDS = {
  choice: chooser,
  date: (field) => input(field, { type: "date" }),
  number: (field) => input(field, { inputMode: "decimal" }),
  "whole number": (field) => input(field, { inputMode: "numeric" }),
};

let made = 0;

// fields: as the desk describes them. send(form, options) takes what was filled in, by name; give(form) gives up.
export function drawForm({ action, label, form: fields }, { send, give }) {
  const form = element("form", "asks");
  form.noValidate = true;
  form.dataset.action = action;
  form.setAttribute("aria-label", label.replace(/…$/, ""));
  const problem = element("p", "problem");
  problem.id = `problem-${++made}`;
  problem.setAttribute("role", "alert");
  const rows = fields.map((field) => drawField(field, problem.id));
  const go = element("button", "button ask", "Send");
  const back = element("button", "button", "Not now");
  back.type = "button";
  back.addEventListener("click", () => give(form));
  const buttons = element("div", "buttons");
  buttons.append(go, back);
  const all = element("fieldset");
  all.append(...rows.map(({ node }) => node), problem, buttons);
  form.append(all);
  form.addEventListener("keydown", (event) => event.key === "Escape" && give(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const options = filled(rows, problem);
    if (options) send(form, options);
  });
  return form;
}

// No value can be changed while it is on its way.
export function hold(form, isHeld) {
  form.firstElementChild.disabled = isHeld;
}

function drawField(field, problem) {
  const node = element("div", "field");
  const control = (KINDS[field.kind] || input)(field);
  control.id = `field-${++made}`;
  control.setAttribute("aria-describedby", problem);
  control.required = field.required;
  const label = element("label", "", sentence(field.label));
  label.htmlFor = control.id;
  const hint = [range(field), field.required ? "" : "may be left empty"].filter(Boolean).join(", ");
  if (hint) label.append(" ", element("small", "", `(${hint})`));
  node.append(label, control);
  return { node, field, control };
}

function input(field, more = {}) {
  const control = element("input");
  Object.assign(control, { type: "text", autocomplete: "off", spellcheck: false, maxLength: 300, ...more });
  control.setAttribute("autocapitalize", "none");
  if (control.type === "text" && field.example) control.placeholder = field.example;
  return control;
}

function chooser(field) {
  const control = element("select");
  if (!field.required) control.append(new Option("", ""));
  for (const choice of field.choices) control.append(new Option(choice, choice));
  return control;
}

function sentence(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function range({ low, high }) {
  if (low !== null && high !== null) return `${low} to ${high}`;
  if (low !== null) return `at least ${low}`;
  return high === null ? "" : `at most ${high}`;
}

// The values by name, or null with the first problem told at its field.
function filled(rows, problem) {
  for (const { control } of rows) control.removeAttribute("aria-invalid");
  for (const { field, control } of rows) {
    problem.textContent = complaint(field, cleaned(field, control.value));
    if (!problem.textContent) continue;
    control.setAttribute("aria-invalid", "true");
    control.focus();
    return null;
  }
  const given = rows.map(({ field, control }) => [field.name, cleaned(field, control.value)]);
  return Object.fromEntries(given.filter(([, value]) => value));
}

// Some phones have a comma where the desk wants a point: "1,05" can mean nothing but 1.05.
function cleaned(field, value) {
  const text = value.trim();
  return field.kind === "number" ? text.replace(/^\$\s*/, "").replace(CENTS, "$1.$2") : text;
}

// What the desk would refuse, said before it is sent; the desk looks at everything again.
function complaint(field, value) {
  if (!value) return field.required ? "This is needed." : "";
  const numbers = { "whole number": [WHOLE, "a whole number"], number: [NUMBER, "a number"] }[field.kind];
  if (!numbers) return "";
  const [pattern, what] = numbers;
  if (!pattern.test(value)) return `Write ${what}${field.example ? `, such as ${field.example}` : ""}.`;
  if (field.low !== null && Number(value) < field.low) return `The least is ${field.low}.`;
  if (field.high !== null && Number(value) > field.high) return `The most is ${field.high}.`;
  return "";
}
