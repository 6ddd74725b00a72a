// What HTML alone can't do: live updates and keyboard shortcuts.
"use strict";

// -- live updates: when something has changed, fetch this page again and replace the parts that differ

const pulse = document.querySelector("[data-pulse]");
const seen = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));
let leaving = new AbortController();
let looking = false;
let again = false;

async function look() {
  // A submitted form may delete what this page shows, so don't fetch it again.
  if (leaving.signal.aborted) return;
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Tallyhook-Look": "1" }, signal: leaving.signal });
    if (answer.ok) {
      const html = await answer.text();
      takeOver(new DOMParser().parseFromString(html, "text/html"));
      reach();
    }
  } catch {
    // The page is being left, or the server is gone. The event stream notices too, and reconnects.
  }
  looking = false;
  if (again) {
    again = false;
    look();
  }
}

function takeOver(fresh) {
  // A restarted mock only accepts forms with its new token.
  const token = fresh.querySelector('input[name="token"]');
  for (const field of document.querySelectorAll('input[name="token"]')) field.value = token.value;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || !part.id) continue;
    // Compare with the last response, not with the part: the user may have opened it, or a clock has ticked.
    const came = other.innerHTML;
    if (seen.get(part.id) === came) continue;
    seen.set(part.id, came);
    const focused = part.contains(document.activeElement) ? mark(document.activeElement) : null;
    const open = [...part.querySelectorAll("details[open]")].map((each) => each.id);
    part.replaceChildren(...other.cloneNode(true).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
    if (focused) [...part.querySelectorAll(focusable)].find((each) => mark(each) === focused)?.focus();
  }
}

let news = null;

function listen() {
  // Browsers limit connections per server, so a hidden page closes its own.
  if (document.hidden) {
    news?.close();
    news = null;
  } else if (!news) {
    news = new EventSource("/console/live");
    news.onmessage = look;
    news.onopen = async () => {
      if (pulse.dataset.pulse === "lost") await look();
      contact(true);
    };
    news.onerror = () => contact(false);
    pulse.hidden = false;
  }
}

function contact(isThere) {
  pulse.dataset.pulse = isThere ? "" : "lost";
  document.getElementById("lost").hidden = isThere;
  enable(isThere);
}

function enable(areOn) {
  for (const button of document.querySelectorAll('form[method="post"] button')) button.disabled = !areOn;
}

document.addEventListener("visibilitychange", listen);

// -- keys

const focusable = "a[href], button, input, select, summary, [tabindex]";
let went = 0;

function mark(element) {
  // Identifies an element after its part was replaced.
  const form = element.form;
  return [element.tagName, element.href, element.name, element.textContent, form && new URLSearchParams(new FormData(form))].join(" ");
}

function step(by) {
  const rows = [...document.querySelectorAll("a[data-row]")];
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const help = document.getElementById("help");
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (help.open) return;
  const isGoing = Date.now() - went < 1500;
  went = 0;
  const go = isGoing && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  const field = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (go) go.click();
  else if (event.key === "g") went = Date.now();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") help.showModal();
  else if (field) field.select();
  else if (button) button.click();
  else return;
  event.preventDefault();
});

addEventListener("submit", (event) => {
  if (event.target.method === "dialog") return;
  leaving.abort();
  event.target.setAttribute("aria-busy", "true");
  // `form.action` might be a field named "action".
  if (!event.target.getAttribute("action")?.endsWith("/clock/advance")) return;
  document.getElementById("busy").hidden = false;
  setTimeout(() => enable(false)); // after the browser has read the form
});
addEventListener("pageshow", (event) => {
  leaving = new AbortController();
  if (!event.persisted) return;
  document.getElementById("busy").hidden = true;
  enable(true);
});

// -- parts wider than the screen scroll, by keyboard too

function reach() {
  for (const part of document.querySelectorAll(".card, .picture, pre")) {
    const scrolls = part.scrollWidth > part.clientWidth;
    part.classList.toggle("scrolls", scrolls);
    if (scrolls) part.tabIndex = 0;
    else if (!part.matches("pre")) part.removeAttribute("tabindex");
  }
}
addEventListener("resize", reach);
reach();

// -- copy buttons, and the fields of each kind of fault

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});

const OPTIONAL = ["action", "type", "status", "retryAfter", "seconds", "by"];
const kind = document.getElementById("kind");
function fit() {
  const uses = kind.selectedOptions[0].dataset.uses.replace("retry_after", "retryAfter").split(" ");
  for (const field of document.querySelectorAll("[data-field]")) {
    const isUsed = !OPTIONAL.includes(field.dataset.field) || uses.includes(field.dataset.field);
    field.hidden = !isUsed;
    field.querySelector("input, select").disabled = !isUsed;
  }
}
if (kind) {
  kind.addEventListener("change", fit);
  fit();
}

// -- the menu closes on a click or focus elsewhere

const menu = document.querySelector("[data-menu]");
if (menu) {
  const leave = (to) => {
    if (!menu.contains(to)) menu.open = false;
  };
  addEventListener("click", (event) => leave(event.target));
  menu.addEventListener("focusout", (event) => event.relatedTarget && leave(event.relatedTarget));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// -- a running clock ticks

setInterval(() => {
  for (const clock of document.querySelectorAll('[data-clock="real"]')) {
    const time = clock.querySelector("time");
    clock.dataset.since ??= Date.now();
    const now = new Date(Date.parse(time.dateTime) + Date.now() - clock.dataset.since);
    time.textContent = now.toISOString().slice(0, 19).replace("T", " ");
  }
}, 1000);

const opener = document.getElementById("help-opener");
opener.hidden = false;
opener.addEventListener("click", () => document.getElementById("help").showModal());
listen();
