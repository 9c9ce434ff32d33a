// What a page does beyond its forms and links: it follows what happens, counts down, and copies. Nothing here is needed to read or decide.
"use strict";

(() => {
  const QUIET_MS = 16000; // three signs of life did not come: the server sends one every five seconds
  const AGAIN_MS = 5000; // before asking once more a server that refused
  const SETTLE_MS = 300; // several things often happen at once; and not everybody asks at the same moment
  const SPREAD_MS = 500;
  const REST = 4, REST_MS = 10000; // a question waits as many times as long as the last answer took: many who look hold up nobody who decides
  const aside = Date.parse(document.body.dataset.serverNow) - Date.now(); // the server's clock, never the reader's
  const serverNow = () => Date.now() + aside;
  const time = (at) => new Date(at).toISOString().slice(11, 19);

  // htmx: what a person opened stays open, and an answer that is an error replaces nothing
  htmx.config.morphIgnore.push("open");
  htmx.config.noSwap.push("4xx", "5xx");

  // Sections: fetched anew when something happened; one that somebody types in waits until they are done
  const stale = new Set(), awaited = new Set();
  let timer = null, took = 0;

  const isBusy = (part) => part.querySelector("dialog[open]") || (part.contains(document.activeElement) && document.activeElement.closest("form"));
  const concerns = (part, kind) => !kind || !part.dataset.when || part.dataset.when.split(" ").some((start) => kind.startsWith(start));

  function freshen(kind) {
    for (const part of document.querySelectorAll("[data-part]")) if (concerns(part, kind)) stale.add(part);
    settle();
  }

  function settle() {
    timer ??= setTimeout(fetchStale, SETTLE_MS + Math.random() * Math.max(SPREAD_MS, Math.min(REST_MS, REST * took)));
  }

  async function fetchStale() {
    const begun = Date.now();
    for (const part of stale) if (!part.isConnected) stale.delete(part);
    const wanted = [...stale].filter((part) => !isBusy(part));
    for (const part of wanted) {
      stale.delete(part);
      awaited.add(part);
    }
    const many = place?.dataset.parts;
    if (many && wanted.length > 1) {
      const names = wanted.map((part) => part.id.replace("part-", "")).join();
      await htmx.ajax("GET", `${many}?names=${names}`, { source: place, swap: "none" }); // the answer says what goes where
    } else {
      for (const part of wanted) await htmx.ajax("GET", part.dataset.part, { source: part, target: part, swap: "innerMorph" });
    }
    took = Date.now() - begun;
    timer = null;
    if (awaited.size) askAgain([...awaited]);
    awaited.clear();
    if ([...stale].some((part) => !isBusy(part))) settle(); // somebody was done, or something happened, meanwhile
    tick();
  }

  // What the server could not make, or could not be asked for, is old: no event may come that says so
  function askAgain(parts) {
    setTimeout(() => {
      if (over) return;
      for (const part of parts) stale.add(part);
      settle();
    }, AGAIN_MS);
  }

  // Somebody may have begun to type in a section while it was fetched
  document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
    if (ctx.response?.status >= 400) return; // it replaces nothing
    for (const task of [...tasks]) {
      awaited.delete(task.target);
      if (!task.target?.dataset?.part || !isBusy(task.target)) continue;
      stale.add(task.target);
      tasks.splice(tasks.indexOf(task), 1);
    }
  });

  document.addEventListener("focusout", () => { if (stale.size) settle(); });

  // The stream: resumed after the last id, by the browser itself where it can
  const place = document.querySelector("[data-stream]");
  const word = document.querySelector(".stream-state");
  let source = null, lastId = "", lastEvent = "", heard = 0, again = null, over = false;

  function say(text, look) {
    if (!word) return;
    word.hidden = false;
    if (word.textContent !== text) word.textContent = text;
    word.className = `stream-state ${look}`;
  }
  const live = () => { heard = Date.now(); say(lastEvent ? `Live, last event ${lastEvent}` : "Live", ""); };

  function connect() {
    clearTimeout(again);
    if (over || document.hidden) return;
    const url = new URL(place.dataset.stream, location.href);
    const after = lastId || place.dataset.after;
    if (after) url.searchParams.set("after", after);
    source = new EventSource(url);
    heard = Date.now();
    source.addEventListener("open", live);
    source.addEventListener("beat", live);
    source.addEventListener("update", (event) => {
      const update = JSON.parse(event.data);
      lastId = event.lastEventId;
      lastEvent = [time(update.at), update.actor, update.words].filter(Boolean).join(" ");
      live();
      freshen(update.kind);
    });
    source.addEventListener("changed", (event) => {
      if (lastId || place.dataset.after) lastEvent = time(serverNow()); // else it only says how the lists stand
      lastId = event.lastEventId;
      live();
      freshen();
    });
    source.addEventListener("over", () => {
      over = true;
      source.close();
      say("Signed out: load the page again", "is-lost");
    });
    source.addEventListener("error", () => {
      if (over) return;
      say("Reconnecting", "is-lost");
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN_MS);
    });
  }

  function watch() {
    if (!source || over || source.readyState !== EventSource.OPEN || Date.now() - heard < QUIET_MS) return;
    say(`Stalled since ${time(heard + aside)}`, "is-lost");
    source.close();
    connect();
  }

  // Clocks
  function left(seconds) {
    if (seconds <= 0) return "time is over";
    const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].map(([name, size]) => {
      const count = Math.floor(seconds / size);
      seconds %= size;
      return count ? `${count} ${name}` : "";
    });
    const first = parts.findIndex(Boolean);
    return parts.slice(first, first + 2).filter(Boolean).join(" ");
  }

  function tick() {
    for (const end of document.querySelectorAll("[data-deadline]")) {
      const words = left(Math.ceil((Date.parse(end.dataset.deadline) - serverNow()) / 1000));
      if (end.textContent !== words) end.textContent = words;
    }
    const clock = document.querySelector(".clock");
    if (clock) {
      const [day, date, month] = new Date(serverNow()).toUTCString().replace(",", "").split(" ");
      clock.textContent = `${day} ${date} ${month} ${time(serverNow())} UTC`;
    }
  }

  // Copying, where the browser lets a page do it
  if (navigator.clipboard) document.documentElement.classList.add("can-copy");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button || button.dataset.copied) return;
    const words = button.textContent;
    await navigator.clipboard.writeText(button.dataset.copy).then(() => { button.textContent = "Copied"; }, () => { button.textContent = "Not copied"; });
    button.dataset.copied = "yes";
    setTimeout(() => { button.textContent = words; delete button.dataset.copied; }, 2000);
  });

  tick();
  setInterval(() => { tick(); watch(); }, 1000);
  if (place) {
    connect();
    // A browser keeps six connections to a server: pages that nobody looks at leave them to others, and go on where they were
    const pause = () => { source?.close(); source = null; };
    document.addEventListener("visibilitychange", () => (document.hidden ? pause() : source || connect()));
    addEventListener("pagehide", pause);
    addEventListener("pageshow", (event) => { if (event.persisted && !source) connect(); });
  }
})();
