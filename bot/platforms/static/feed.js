// The list of messages: adds, redraws in place, scrolls, and keeps the countdowns.

import { drawCard, element, showTheme, timeLeft } from "/card.js";
import { drawForm, hold } from "/form.js";
import { drawWaiting, showState } from "/waiting.js";

const KEPT = 220;
const NEAR = 120;
const SETTLE = 800;

export class Feed {
  #list = document.getElementById("feed");
  #empty = document.getElementById("empty");
  #newer = document.getElementById("newer");
  #jump = document.getElementById("jump");
  #announcer = document.getElementById("announcer");
  #shown = new Map();
  #pending = new Map();
  #now = "";
  #onTap;
  #onStop;

  // tap(action, message id, options) -> request id, "" when it could not be sent; stop(action) -> whether it was sent
  constructor({ tap, stop }) {
    this.#onTap = tap;
    this.#onStop = stop;
    this.#newer.addEventListener("click", () => this.#toBottom());
    this.#list.addEventListener("scroll", () => this.#seesLast() && (this.#newer.hidden = true), { passive: true });
    this.#jump.addEventListener("click", () => this.#toQuestion());
  }

  replace(messages) {
    const ids = new Set(messages.map((message) => message.id));
    for (const [id, { node }] of this.#shown) if (!ids.has(id)) this.#forget(id, node);
    for (const message of messages) this.#place(message);
    this.#toBottom();
    this.#refresh();
    const [question] = this.#questions();
    if (question) this.#reveal(question);
  }

  add(message) {
    const known = this.#shown.get(message.id);
    if (known && known.rev >= message.rev) return;
    const follows = this.#mayFollow();
    this.#place(message);
    if (!known) this.#arrived(message, follows);
    else if (message.card && message.card.title !== known.title) this.#announce(message.card.title);
    if (follows) this.#toBottom();
    this.#refresh();
  }

  tick(now) {
    this.#now = now;
    for (const left of this.#list.querySelectorAll("[data-expires]")) {
      left.textContent = now ? timeLeft(now, left.dataset.expires) : "";
      left.classList.toggle("soon", Date.parse(left.dataset.expires) - Date.parse(now) < 60000);
    }
    this.#countQuestions();
  }

  theme() {
    for (const image of this.#list.querySelectorAll("img[data-src]")) showTheme(image);
  }

  // A command line was sent: show that it is being worked on until it is answered.
  wait(request) {
    const node = drawWaiting("Working…");
    this.#list.append(node);
    this.#pending.set(request, { node, remove: () => node.remove() });
    this.#toBottom();
  }

  // state: {words, fraction, stop}
  working(request, state) {
    const pending = this.#pending.get(request);
    if (!pending) return;
    const follows = this.#mayFollow();
    showState(pending.node, state, this.#onStop);
    if (follows) this.#toBottom();
  }

  done(request, last, failed) {
    const pending = this.#pending.get(request);
    if (!pending) return;
    this.#pending.delete(request);
    pending.remove(failed);
    const answer = this.#shown.get(last)?.node;
    if (answer && answer !== pending.card) this.#reveal(answer);
  }

  refused(request, words) {
    this.done(request, "", true);
    this.note(words);
  }

  // Words of the page itself, not of the desk.
  note(words) {
    this.#list.append(element("p", "note", words));
    this.#announce(words);
    this.#toBottom();
  }

  // No answer will come for what was sent before the connection was lost.
  forgetPending() {
    const lost = this.#pending.size;
    for (const pending of this.#pending.values()) pending.remove(true);
    this.#pending.clear();
    return lost;
  }

  #place(message) {
    const known = this.#shown.get(message.id);
    if (known && known.rev >= message.rev) return;
    const node = message.card ? drawCard(message.card, (button, what) => this.#pressed(message.id, button, what)) : said(message);
    if (known) this.#exchange(known.node, node);
    else this.#list.insertBefore(node, this.#list.querySelector(":scope > .waiting"));
    this.#shown.set(message.id, { node, rev: message.rev, title: message.card?.title, key: message.card?.key || message.id, expires: message.card?.expires_at || "" });
    if (this.#shown.size > KEPT) this.#drop();
  }

  #exchange(old, node) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const details = [old.querySelector("details"), node.querySelector("details")];
    if (details[0] && details[1] && details[0].dataset.touched) details[1].open = details[0].open;
    const form = old.querySelector("form");
    old.replaceWith(node);
    if (form) this.#carryOver(form, node);
    settle(node);
    if (focused) (focused.isConnected ? focused : node).focus({ preventScroll: true });
  }

  // What is being filled in stays where the same button is still there; else what it was about has changed.
  #carryOver(form, card) {
    const opener = openerOf(form, card);
    if (opener) return open(form, opener);
    if (form.dataset.sent) return;
    const words = "This card has changed meanwhile: nothing was sent.";
    card.querySelector(".card-top").after(element("p", "problem", words));
    this.#announce(words);
  }

  #pressed(message, button, what) {
    if (!what.form) return this.#tap(message, button, what.action);
    const card = button.closest(".card");
    const known = card.querySelector("form");
    if (known) close(known);
    if (known?.dataset.action === what.action) return;
    const send = (form, options) => this.#submit(message, form, options);
    const form = drawForm(what, { send, give: giveUp });
    open(form, button);
    form.querySelector("input, select").focus();
  }

  #submit(message, form, options) {
    const opener = openerOf(form);
    if (!opener || !this.#tap(message, opener, form.dataset.action, options, form)) return;
    form.dataset.sent = "yes";
    hold(form, true);
  }

  // Send a tap; while it is worked on nothing else of the card can be used. Says whether it went out.
  #tap(message, button, action, options, form) {
    const request = this.#onTap(action, message, options);
    if (!request) return false;
    const card = button.closest(".card");
    const label = button.textContent;
    const buttons = [...card.querySelectorAll("button")].filter((other) => !other.disabled && !other.closest("form"));
    for (const other of buttons) other.disabled = true;
    button.textContent = "working…";
    button.classList.add("busy");
    const line = drawWaiting("");
    (form || button.closest(".buttons")).after(line);
    const remove = (failed) => {
      line.remove();
      button.textContent = label;
      button.classList.remove("busy");
      for (const other of buttons) other.disabled = false;
      if (form) answered(form, failed);
      if (document.activeElement === document.body && button.isConnected) button.focus({ preventScroll: true });
    };
    this.#pending.set(request, { node: line, card, remove });
    return true;
  }

  #arrived(message, follows) {
    if (message.card) this.#announce(message.card.title);
    if (!follows) this.#newer.hidden = false;
  }

  #announce(words) {
    this.#announcer.replaceChildren(element("p", "", words));
  }

  #reveal(node) {
    const top = node.getBoundingClientRect().top - this.#list.getBoundingClientRect().top;
    this.#list.scrollBy({ top: top - 12 });
  }

  #isAtBottom() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR;
  }

  #seesLast() {
    return this.#isAtBottom() || this.#isInView(this.#list.lastElementChild);
  }

  // Nothing moves under a finger that is about to approve or reject.
  #mayFollow() {
    return this.#isAtBottom() && !this.#questions().some((node) => this.#isInView(node));
  }

  #isInView(node) {
    const [inner, outer] = [node.getBoundingClientRect(), this.#list.getBoundingClientRect()];
    return inner.bottom > outer.top && inner.top < outer.bottom;
  }

  #toBottom() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#newer.hidden = true;
    const last = this.#list.lastElementChild;
    if (last.offsetHeight > this.#list.clientHeight) this.#reveal(last);
  }

  // One card of everything that can still be answered, however often it is shown.
  #questions() {
    const open = [...this.#shown.values()].filter(({ expires }) => expires && !(this.#now && Date.parse(expires) <= Date.parse(this.#now)));
    return [...new Map(open.map(({ key, node }) => [key, node])).values()];
  }

  #countQuestions() {
    const waiting = this.#questions().length;
    this.#jump.hidden = !waiting;
    this.#jump.textContent = `${waiting} to answer`;
  }

  #toQuestion() {
    const [first] = this.#questions();
    if (!first) return;
    this.#reveal(first);
    (first.querySelector("button:not(:disabled)") || first).focus({ preventScroll: true });
  }

  #refresh() {
    this.#empty.hidden = this.#shown.size > 0;
    this.tick(this.#now);
  }

  #drop() {
    const [id, { node }] = [...this.#shown].find(([, { expires }]) => !expires) || [...this.#shown][0];
    this.#forget(id, node);
  }

  #forget(id, node) {
    node.remove();
    this.#shown.delete(id);
  }
}

// The button of the card that opens this form, where there still is one.
function openerOf(form, card = form.closest(".card")) {
  return [...card.querySelectorAll(".button")].find((button) => button.dataset.action === form.dataset.action);
}

function giveUp(form) {
  const opener = openerOf(form);
  close(form);
  opener?.focus({ preventScroll: true });
}

function open(form, opener) {
  opener.setAttribute("aria-expanded", "true");
  opener.closest(".buttons").after(form);
}

function close(form) {
  openerOf(form)?.setAttribute("aria-expanded", "false");
  form.remove();
}

// What was refused can be corrected and sent again.
function answered(form, failed) {
  if (!form.isConnected) return;
  delete form.dataset.sent;
  hold(form, false);
  if (!failed) close(form);
}

// The second half of a double tap meant the card as it was: what is drawn under it takes no tap for a moment.
function settle(node) {
  const buttons = [...node.querySelectorAll(".button")];
  for (const button of buttons) button.disabled = true;
  node.classList.add("settling");
  setTimeout(() => {
    for (const button of buttons) button.disabled = false;
    node.classList.remove("settling");
  }, SETTLE);
}

function said(message) {
  const node = element("p", "said");
  node.append(element("span", "unseen", "You: "), element("span", "", message.said));
  return node;
}
