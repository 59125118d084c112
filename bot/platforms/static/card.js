// One card as DOM. Everything that comes from the desk goes in as text, never as markup.

const TONES = { neutral: "Info", good: "OK", bad: "Attention", warning: "Check", ask: "Your answer" };
const HEADLINE = /^(?:([a-z][a-z0-9_]*): )?(.*?)(?: \(([^()]+)\))?$/s;
const SIGNED = /^[+\-−][\d,]+(\.\d+)?$/;
const LABELLED = /^(For|Against|Exit): (.*)$/s;
const COMMAND = /^(\/[a-z]+): (.*)$/s;
const NAMES = /^\/[a-z]+( \/[a-z]+)*$/;
const RESULT = /p&l|realised|open|net|today|gain|loss/i;
const NOTED = /^(.*?) \(([^()]+)\)$/;
const TRADE = ["Limit", "Max loss", "Max gain"];
const FIGURES = [...TRADE, "Your price", "Breakeven", "Expires", "Collateral", "Fees", "Spot"];
const ODDS = "P(profit)";
const SMALL = 12;

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

// onTap(button, what) is called when one of the card's buttons is used; `what` is the button as the desk described it.
export function drawCard(card, onTap) {
  const article = element("article", `card tone-${card.tone}`);
  article.tabIndex = -1;
  const isTrade = TRADE.every((wanted) => card.facts.some(([label]) => label === wanted));
  const [, strategy, headline, state] = HEADLINE.exec(card.title);
  const said = card.lines.filter((line) => !LABELLED.test(line));
  const labelled = card.lines.filter((line) => LABELLED.test(line));
  const facts = isTrade ? card.facts.filter(([label]) => !FIGURES.includes(label)) : card.facts;
  const details = isTrade ? drawDetails(card) : article;

  article.append(drawTop(card, strategy, state), element("h2", strategy ? "sentence" : "", headline));
  for (const line of said) article.append(drawLine(line));
  for (const picture of card.pictures) article.append(drawPicture(picture));
  if (isTrade) article.append(drawFigures(card.facts), ...drawButtons(card, onTap));
  if (isTrade) article.append(details);
  const reasons = labelled.length ? [drawReasons(labelled)] : [];
  if (isTrade) details.append(...reasons);
  if (facts.length) details.append(drawFacts(facts));
  if (!isTrade) details.append(...reasons);
  if (card.links.length) details.append(drawLinks(card.links));
  for (const table of card.tables) details.append(drawTable(table));
  if (!isTrade) article.append(...drawButtons(card, onTap));
  article.append(drawFooter(card));
  return article;
}

function drawTop(card, strategy, state) {
  const top = element("p", "card-top");
  const pill = element("span", "pill", state || TONES[card.tone] || card.tone);
  top.append(pill);
  if (strategy) top.append(element("span", "strategy", strategy));
  if (card.expires_at) {
    const left = element("span", "left");
    left.dataset.expires = card.expires_at;
    left.setAttribute("role", "timer");
    top.append(left);
  }
  return top;
}

// What decides a trade, large: the odds without their method, which stands in the details.
function drawFigures(facts) {
  const list = element("dl", "figures");
  for (const [label, value] of facts.filter(([label]) => label === ODDS || FIGURES.includes(label))) {
    const [, amount, note] = NOTED.exec(value) || [null, label === ODDS ? value.split(", ")[0] : value, ""];
    const figure = element("div");
    const shown = element("dd", "", amount);
    if (note) shown.append(element("small", "", note));
    figure.append(element("dt", "", label), shown);
    list.append(figure);
  }
  return list;
}

function drawDetails(card) {
  const details = element("details", "details");
  details.open = card.tone === "ask";
  details.append(element("summary", "", "Details"));
  return details;
}

// "/risk: limits in use" gets a shape of its own.
function drawLine(line) {
  const [, command, summary] = COMMAND.exec(line) || [];
  if (!command) return element("p", "line", line);
  const made = element("p", "command");
  made.append(drawFill(command), element("span", "", summary));
  return made;
}

// A command that goes into the box when it is tapped.
function drawFill(command) {
  const button = element("button", "fill", command);
  button.type = "button";
  button.dataset.line = `${command} `;
  return button;
}

function drawReasons(lines) {
  const list = element("ul", "reasons");
  for (const line of lines) {
    const [, label, words] = LABELLED.exec(line);
    const item = element("li", label.toLowerCase());
    item.append(element("strong", "", label), element("span", "", words));
    list.append(item);
  }
  return list;
}

function drawFacts(facts) {
  const list = element("dl", "facts");
  for (const [label, value] of facts) {
    const row = element("div", NAMES.test(value) ? "names" : "");
    const shown = element("dd", sign(value), row.className ? "" : value);
    if (row.className) shown.append(...value.split(" ").map(drawFill));
    row.append(element("dt", "", label), shown);
    list.append(row);
  }
  return list;
}

// Pages outside: the address was checked by the desk, its host is said beside it, and it learns nothing of this page.
function drawLinks(links) {
  const list = element("ul", "links");
  for (const link of links) {
    const item = element("li");
    const shown = element(link.url ? "a" : "span", "", link.text);
    if (link.url) {
      shown.href = link.url;
      shown.target = "_blank";
      shown.rel = "noopener noreferrer nofollow";
    }
    const from = [link.host, link.note].filter(Boolean).join(" · ");
    item.append(shown, element("small", "", from));
    list.append(item);
  }
  return list;
}

function sign(value) {
  if (!SIGNED.test(value) || !/[1-9]/.test(value)) return "";
  return value.startsWith("+") ? "gain" : "loss";
}

function drawTable(table) {
  const frame = element("div", "table");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", table.title || table.headers.join(", "));
  const grid = element("table");
  if (table.title) grid.append(element("caption", "", table.title));
  const head = element("tr");
  table.headers.forEach((text, column) => head.append(drawCell("th", text, table.right.includes(column))));
  const body = element("tbody");
  for (const row of table.rows) {
    const line = element("tr");
    row.forEach((text, column) => {
      const cell = drawCell("td", text, table.right.includes(column));
      if (RESULT.test(table.headers[column]) && sign(text)) cell.classList.add(sign(text));
      line.append(cell);
    });
    body.append(line);
  }
  const top = element("thead");
  top.append(head);
  grid.append(top, body);
  frame.append(grid);
  return frame;
}

function drawCell(tag, text, isNumber) {
  const cell = element(tag, isNumber ? "number" : "", text);
  if (tag === "th") cell.scope = "col";
  return cell;
}

function drawPicture(picture) {
  const figure = element("figure");
  const image = element("img");
  image.alt = picture.alt;
  image.dataset.src = picture.src;
  image.width = 800;
  image.height = 560;
  showTheme(image);
  image.addEventListener("error", () => figure.classList.add("failed"));
  figure.append(image, element("figcaption", "", picture.alt));
  return figure;
}

// Load the picture in the theme that is shown now.
export function showTheme(image) {
  const wanted = `${image.dataset.src}?theme=${document.documentElement.dataset.theme}`;
  if (image.getAttribute("src") !== wanted) image.src = wanted;
}

// A row of the card stays a row; rows of one small button each (a list of ids) flow into one.
function drawButtons(card, onTap) {
  const [first = [], ...rest] = card.buttons;
  const rows = [];
  for (const row of rest) {
    const before = rows.at(-1);
    if (before && isSmall(row) && isSmall(before.slice(-1))) before.push(...row);
    else rows.push([...row]);
  }
  const top = first.length > 2 ? "buttons more" : "buttons";
  return [drawRow(first, top, onTap), ...rows.map((row) => drawRow(row, "buttons more", onTap))].filter(Boolean);
}

function isSmall(row) {
  return row.length === 1 && row[0].label.length <= SMALL;
}

function drawRow(buttons, name, onTap) {
  if (!buttons.length) return null;
  const row = element("div", name);
  for (const what of buttons) {
    const button = element("button", `button ${what.tone}`, what.label);
    button.type = "button";
    button.dataset.action = what.action;
    if (what.form) button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => onTap(button, what));
    row.append(button);
  }
  return row;
}

function drawFooter(card) {
  const foot = element("footer");
  if (card.banner) foot.append(element("span", isLive(card.banner) ? "banner live" : "banner", card.banner));
  if (card.footer) foot.append(element("span", "", card.footer));
  return foot;
}

// Real money is at stake: shown so that nobody overlooks it.
export function isLive(banner) {
  return banner.startsWith("LIVE");
}

// now, expires: ISO times of the desk's own clock.
export function timeLeft(now, expires) {
  const seconds = Math.round((Date.parse(expires) - Date.parse(now)) / 1000);
  if (!(seconds > 0)) return "time is up";
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")} left`;
}
