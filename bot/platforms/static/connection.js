// The WebSocket to the desk: keeps itself connected, backing off between attempts.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;

export class Connection {
  #socket = null;
  #attempts = 0;
  #timer = null;
  #closed = false;
  #listener;

  // listener: {frame(object), online(), offline(seconds until the next attempt), ended()}
  constructor(listener) {
    this.#listener = listener;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#closed = false;
    this.#socket = new WebSocket(`ws://${location.host}/socket`);
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", (event) => this.#listener.frame(JSON.parse(event.data)));
    this.#socket.addEventListener("close", () => this.#lost());
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  // False when there is no connection: nothing is queued, a tap must never be sent late.
  send(frame) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #opened() {
    this.#attempts = 0;
    this.#listener.online();
  }

  #lost() {
    if (this.#closed) return;
    const longest = Math.min(FIRST_WAIT * 2 ** this.#attempts, LONGEST_WAIT);
    const wait = longest * (0.75 + Math.random() / 4);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#again(), wait);
    this.#listener.offline(Math.ceil(wait / 1000));
  }

  #hurry() {
    if (this.#closed || this.#timer === null || this.#socket?.readyState !== WebSocket.CLOSED) return;
    this.#attempts = 0;
    clearTimeout(this.#timer);
    this.#again();
  }

  // A browser does not tell why a WebSocket was refused, so the session is asked for first.
  async #again() {
    this.#timer = null;
    try {
      const answer = await fetch("/session");
      const { name } = await answer.json();
      if (!name) return this.#listener.ended();
    } catch {
      return this.#lost();
    }
    if (!this.#closed) this.open();
  }
}
