// Keeps pages up to date: when the gate says that something was recorded, the page is read again
// and what differs in its live parts is put in place. Without this script pages work the same,
// but stand still.
"use strict";
(() => {
  const PAUSE = 600;
  let wanted = 0;
  let reading = false;

  const holds = (node) =>
    node.contains(document.activeElement) ||
    [...node.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue);

  function mergeList(old, fresh) {
    const present = new Map([...old.children].map((child) => [child.id, child]));
    const grows = old.hasAttribute("data-grows");
    let cursor = old.firstElementChild;
    for (const child of [...fresh.children]) {
      const mine = present.get(child.id);
      const stays = mine && (mine.isEqualNode(child) || holds(mine));
      const next = stays ? mine : document.adoptNode(child);
      if (!mine && grows) next.classList.add("is-new");
      if (mine && !stays) {
        if (cursor === mine) cursor = mine.nextElementSibling;
        mine.remove();
      }
      if (next === cursor) cursor = cursor.nextElementSibling;
      else old.insertBefore(next, cursor);
    }
    while (cursor) {
      const gone = cursor;
      cursor = cursor.nextElementSibling;
      gone.remove();
    }
  }

  function merge(old, fresh) {
    const isList = [...fresh.children].every((child) => child.id) && fresh.children.length;
    if (isList) mergeList(old, fresh);
    else if (!old.isEqualNode(fresh) && !holds(old)) old.replaceChildren(...fresh.childNodes);
  }

  async function read() {
    if (reading) return;
    reading = true;
    const begun = wanted;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
        location.reload();
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(old.id);
        if (next) merge(old, next);
      }
      count();
    } catch {
      say(false);
    } finally {
      setTimeout(() => {
        reading = false;
        if (wanted !== begun) read();
      }, PAUSE);
    }
  }

  function say(isLive) {
    const mark = document.getElementById("live");
    if (!mark) return;
    mark.hidden = false;
    mark.classList.toggle("is-off", !isLive);
    mark.lastElementChild.textContent = isLive ? "Live" : "Not connected";
  }

  function left(seconds) {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    }
    return seconds > 0 ? `${Math.floor(seconds)} s` : "no time: it is expired";
  }

  function count() {
    for (const time of document.querySelectorAll("[data-until]")) {
      time.textContent = left((Date.parse(time.dataset.until) - Date.now()) / 1000);
    }
  }

  if (document.body.hasAttribute("data-watches")) {
    const feed = new EventSource("/events");
    feed.addEventListener("open", () => say(true));
    feed.addEventListener("error", () => say(false));
    feed.addEventListener("changed", () => {
      wanted += 1;
      read();
    });
    setInterval(count, 1000);
  }

  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("[data-search]");
    const isTyping = event.target.closest("input, textarea, select");
    if (event.key === "/" && field && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      field.focus();
    }
  });
})();
