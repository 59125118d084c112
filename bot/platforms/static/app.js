// The page: log in, connect, and pass frames between the connection, the feed and the command box.

import { CommandBox } from "/completion.js";
import { Connection } from "/connection.js";
import { element, isLive } from "/card.js";
import { Feed } from "/feed.js";

const QUICK = ["/proposals", "/positions", "/orders", "/panic", "/risk", "/pnl", "/account", "/help"];
const $ = (id) => document.getElementById(id);

const feed = new Feed({ tap, stop });
const box = new CommandBox({ ask: suggest, send: command });
const connection = new Connection({ frame: receive, online, offline, ended });

const receivers = {
  welcome: ({ name, role }) => ($("logout").title = `Logged in as ${name} (${role})`),
  feed: ({ messages }) => feed.replace(messages),
  message: ({ message }) => feed.add(message),
  working: ({ id, ...state }) => feed.working(id, state),
  done: ({ id, last, error }) => feed.done(id, last, Boolean(error)),
  completions: ({ id, items }) => box.show(id, items),
  error: ({ id, words }) => feed.refused(id, words),
  clock: showClock,
};

function receive(frame) {
  receivers[frame.type]?.(frame);
}

function request(frame) {
  const id = crypto.randomUUID();
  return connection.send({ ...frame, id }) ? id : "";
}

function tap(action, message, options) {
  const id = request({ type: "tap", action, message, options });
  if (!id) feed.note("Not sent: there is no connection to the desk.");
  return id;
}

function stop(action) {
  return Boolean(request({ type: "tap", action }));
}

function command(text) {
  const id = request({ type: "command", text });
  if (id) feed.wait(id);
  else feed.note("Not sent: there is no connection to the desk.");
  return Boolean(id);
}

function suggest(line) {
  return request({ type: "complete", line });
}

function showClock({ now, shown, banner }) {
  $("banner").textContent = banner;
  $("banner").classList.toggle("live", isLive(banner));
  $("top").classList.toggle("is-live", isLive(banner));
  $("clock").textContent = shown;
  feed.tick(now);
}

function online() {
  $("offline").hidden = true;
  $("desk").classList.remove("is-offline");
}

function offline(seconds) {
  $("offline").textContent = `No connection to the desk. Trying again in ${seconds} s…`;
  $("offline").hidden = false;
  $("desk").classList.add("is-offline");
  feed.tick("");
  if (feed.forgetPending()) feed.note("The connection was lost before an answer came. What happened will show here.");
}

function ended() {
  connection.close();
  showLogin("Your session has ended. Open the link the desk printed when it last started.");
}

async function logIn(token) {
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const { error } = await answer.json();
    if (error) return showLogin(error);
  } catch {
    return showLogin("The desk does not answer. Is it running?");
  }
  showDesk();
}

async function logOut() {
  connection.close();
  await fetch("/logout", { method: "POST" }).catch(() => {});
  location.reload();
}

function showLogin(problem) {
  $("desk").hidden = true;
  $("login").hidden = false;
  $("login-error").textContent = problem;
  $("token").focus();
}

function showDesk() {
  $("login").hidden = true;
  $("token").value = "";
  $("desk").hidden = false;
  online();
  connection.open();
  if (matchMedia("(pointer: fine)").matches) box.focus();
}

const system = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const theme = localStorage.getItem("theme") || (system.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
  feed.theme();
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme);
  showTheme();
}

function drawQuick() {
  for (const line of QUICK) {
    const button = element("button", "chip", line);
    button.type = "button";
    button.addEventListener("click", () => command(line));
    $("quick").append(button);
  }
}

function pressed(event) {
  const isTyping = event.target.closest?.("input, textarea");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey || $("desk").hidden) return;
  event.preventDefault();
  box.focus();
}

// The token stands behind the #, which no browser sends; it is taken out of the address and the history at once.
async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname);
  if (token) return logIn(token);
  const { name } = await fetch("/session").then((answer) => answer.json(), () => ({ name: "" }));
  return name ? showDesk() : showLogin("");
}

$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn($("token").value.trim());
});
$("feed").addEventListener("click", ({ target }) => target.dataset.line && box.fill(target.dataset.line));
$("logout").addEventListener("click", logOut);
$("theme").addEventListener("click", toggleTheme);
system.addEventListener("change", showTheme);
addEventListener("hashchange", () => location.hash.startsWith("#token=") && start());
addEventListener("keydown", pressed);
drawQuick();
showTheme();
start();
