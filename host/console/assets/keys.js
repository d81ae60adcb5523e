// Moving through a list by keyboard: j and k, or the arrows, to the next and the one before; Enter opens as always.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const rows = [...document.querySelectorAll("[data-row]")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next].focus();
  event.preventDefault();
});
// What was folded open stays open when its part of the page is fetched again.
const opened = new Set();
document.addEventListener("toggle", ({ target }) => {
  if (target.id) opened[target.open ? "add" : "delete"](target.id);
}, true);
document.addEventListener("htmx:afterSettle", () => {
  for (const part of document.querySelectorAll("details[id]")) if (opened.has(part.id)) part.open = true;
});
