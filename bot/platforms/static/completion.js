// The command box: suggestions while typing (ARIA combobox with a listbox), history with the arrow keys.

import { element } from "/card.js";

const DELAY = 60;

export class CommandBox {
  #input = document.getElementById("line");
  #list = document.getElementById("choices");
  #items = [];
  #active = -1;
  #asked = "";
  #timer = null;
  #history = [];
  #past = 0;
  #ask;
  #send;

  // ask(line) -> request id or "", send(line) -> whether it went out
  constructor({ ask, send }) {
    this.#ask = ask;
    this.#send = send;
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("blur", () => this.#close());
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    document.getElementById("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  focus() {
    this.#input.focus();
  }

  // Put the beginning of a line into the box, to be finished by hand.
  fill(line) {
    this.#input.value = line;
    this.#input.focus();
    this.#typed();
  }

  // The answer to ask(): ignored when another line has been typed since.
  show(request, items) {
    if (request !== this.#asked || document.activeElement !== this.#input) return;
    const word = this.#word();
    this.#items = items.length === 1 && items[0].text === word ? [] : items;
    this.#active = -1;
    this.#draw();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#suggest(), DELAY);
  }

  #suggest() {
    const line = this.#input.value;
    this.#asked = line.trim() ? this.#ask(line) : "";
    if (!this.#asked) this.#close();
  }

  #word() {
    return this.#input.value.split(/\s+/).pop();
  }

  #pressed(event) {
    const isOpen = !this.#list.hidden;
    const keys = {
      ArrowDown: () => (isOpen ? this.#move(1) : this.#recall(1)),
      ArrowUp: () => (isOpen ? this.#move(-1) : this.#recall(-1)),
      Escape: () => isOpen && (this.#close(), true),
      Tab: () => isOpen && !event.shiftKey && this.#accept(Math.max(this.#active, 0)),
      Enter: () => isOpen && this.#active >= 0 && this.#accept(this.#active),
    };
    if (!event.isComposing && keys[event.key]?.()) event.preventDefault();
  }

  #move(step) {
    const count = this.#items.length;
    this.#active = this.#active < 0 && step < 0 ? count - 1 : (this.#active + step + count) % count;
    this.#mark();
    return true;
  }

  #recall(step) {
    if (this.#input.value && this.#past === this.#history.length) return false;
    this.#past = Math.min(Math.max(this.#past + step, 0), this.#history.length);
    this.#input.value = this.#history[this.#past] || "";
    return true;
  }

  #accept(index) {
    const line = this.#input.value;
    this.#input.value = `${line.slice(0, line.length - this.#word().length)}${this.#items[index].text} `;
    this.#close();
    this.#typed();
    return true;
  }

  #clicked(event) {
    const option = event.target.closest("[role=option]");
    if (option) this.#accept(Number(option.dataset.index));
  }

  #submit() {
    const line = this.#input.value.trim();
    if (!line || !this.#send(line)) return;
    this.#history = [...this.#history.filter((known) => known !== line), line].slice(-50);
    this.#past = this.#history.length;
    this.#input.value = "";
    clearTimeout(this.#timer);
    this.#asked = "";
    this.#close();
  }

  #draw() {
    this.#list.replaceChildren(...this.#items.map(option));
    this.#list.hidden = !this.#items.length;
    this.#input.setAttribute("aria-expanded", String(!this.#list.hidden));
    this.#list.scrollTop = 0;
    this.#mark();
  }

  #mark() {
    [...this.#list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === this.#active)));
    const active = this.#list.children[this.#active];
    if (!active) return this.#input.removeAttribute("aria-activedescendant");
    this.#input.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.#items = [];
    this.#active = -1;
    this.#draw();
  }
}

function option({ text, summary }, index) {
  const item = element("li", "choice");
  item.id = `choice-${index}`;
  item.dataset.index = index;
  item.setAttribute("role", "option");
  item.append(element("span", "text", text), element("span", "summary", summary));
  return item;
}
