// The page follows the ledger: one stream per browser, whichever tab holds it tells the others. What changed is fetched as
// HTML, so nothing is rendered here. Without this script the page is the same, as of when it was made.
"use strict";
(() => {
  const pill = document.getElementById("pill");
  const said = document.getElementById("pill-text");
  const news = document.getElementById("news");
  if (!pill || !document.documentElement.hasAttribute("data-live")) return;

  const POLL_MS = 3000, RETRY_MS = 30000, FLAP_MS = 2000, GATHER_MS = 120, WHOLE_FROM = 7;
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("jindo") : null;
  const seoul = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Seoul", hour: "2-digit", minute: "2-digit" });
  const today = () => new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Seoul" }).format(new Date());

  // What this tab shows.
  let shownSize = Number(pill.dataset.size), shownDay = pill.dataset.day, at = pill.dataset.made;
  let due = new Set(), busy = false, gather = 0;

  function state(now) {
    if (now.state !== "lost") at = seoul.format(new Date());
    const words = pill.dataset[now.state].replace("{}", at);
    if (said.textContent !== words) said.textContent = words;
    pill.dataset.state = now.state;
    const halted = document.getElementById("halted");
    if (halted) {
      halted.hidden = now.state !== "halted";
      if (now.why) document.getElementById("halted-why").textContent = now.why[document.documentElement.lang] || "";
    }
  }

  function moved(change) {
    // What this page was made from, or newer, is no news to it.
    if (change.day === shownDay && change.size <= shownSize) return;
    shownSize = change.size;
    shownDay = change.day;
    for (const id of change.ids) due.add(id);
    if (!gather) gather = setTimeout(refresh, GATHER_MS);
  }

  async function refresh() {
    gather = 0;
    if (busy) { gather = setTimeout(refresh, GATHER_MS); return; }
    const all = due.has("*");
    const parts = [...document.querySelectorAll("[data-fragment]")]
      .filter((part) => all || part.dataset.of === "*" || due.has(part.dataset.of));
    due = new Set();
    if (!parts.length) return;
    busy = true;
    try {
      const whole = parts.length >= WHOLE_FROM ? await fragment(location.href) : null;
      const fresh = [];
      for (const part of parts) {
        const now = (whole || await fragment(part.dataset.fragment)).getElementById(part.id);
        if (now && swap(part, now)) fresh.push(now);
      }
      announce(fresh);
    } catch {
      // Nobody answers: the connection says so too, and asks again once it is back.
      for (const part of parts) due.add(part.dataset.of);
      gather = setTimeout(refresh, POLL_MS);
    }
    busy = false;
  }

  async function fragment(address) {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    // A row alone is no document: it needs its table around it.
    return new DOMParser().parseFromString(/^<tr/.test(text) ? `<table><tbody>${text}</tbody></table>` : text, "text/html");
  }

  function swap(old, now) {
    if (old.outerHTML.replace(" fresh", "") === now.outerHTML) return false;
    const held = old.contains(document.activeElement) ? document.activeElement : null;
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    old.replaceWith(now);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (held) {
      const same = [...now.querySelectorAll("a, button, input, select, summary, [tabindex]")];
      (same.find((one) => one.id ? one.id === held.id : one.getAttribute("href") === held.getAttribute("href")))?.focus();
    }
    now.classList.add("fresh");
    setTimeout(() => now.classList.remove("fresh"), 2500);
    return true;
  }

  function announce(fresh) {
    const told = fresh.filter((part) => part.dataset.of !== "*").map((part) => part.querySelector("[data-say]")?.dataset.say);
    const texts = told.filter(Boolean);
    if (!news || !texts.length) return;
    news.textContent = texts.length > 3 ? news.dataset.many.replace("{}", texts.length) : texts.join(". ");
  }

  // What the tab that holds the stream does.
  function lead() {
    let now = { state: "made" }, last = { size: shownSize, day: shownDay }, source = null, poll = 0, flap = 0;
    const tell = (message) => { tabs?.postMessage(message); hear(message); };
    const be = (state, why) => {
      clearTimeout(flap);
      flap = 0;
      now = { state, why };
      tell({ kind: "state", now });
    };
    const change = (size, day, ids) => {
      last = { size, day };
      tell({ kind: "moved", change: { size, day, ids } });
    };
    // How the ledger is doing, where no stream says so.
    async function check() {
      let told;
      try {
        told = await (await fetch("/readyz")).json();
      } catch {
        be("lost");
        return;
      }
      if (told.ready) be("polled"); else be("halted", told.why);
      if (told.size !== last.size || today() !== last.day) change(told.size, today(), ["*"]);
    }
    function open() {
      // Where the page stands is known: the stream goes on from there.
      source = new EventSource(`/v1/stream?last_event_id=${last.size}.${last.day}`);
      const on = (name, hear) => source.addEventListener(name, (event) => hear(JSON.parse(event.data)));
      source.onopen = () => { clearInterval(poll); poll = 0; };
      source.onerror = () => {
        // It fails again with every try: the first failure counts.
        if (source.readyState !== EventSource.CLOSED) { flap ||= setTimeout(() => be("lost"), FLAP_MS); return; }
        // No stream here, or none just now: ask for the size instead, and try again later.
        if (!poll) { poll = setInterval(check, POLL_MS); check(); }
        setTimeout(open, RETRY_MS);
      };
      on("status", (told) => (told.ready ? be("live") : be("halted", told.why)));
      on("snapshot", (all) => { if (all.size !== last.size || all.as_of !== last.day) change(all.size, all.as_of, ["*"]); });
      on("progress", (all) => change(all.size, all.as_of, all.indicators.map((view) => view.id)));
    }
    hearLead = (message) => {
      if (message.kind !== "hello") return;
      tell({ kind: "state", now });
      if (message.size !== last.size) tell({ kind: "moved", change: { ...last, ids: ["*"] } });
    };
    open();
  }

  let hearLead = () => {};
  function hear(message) {
    if (message.kind === "state" && message.now.state !== "made") state(message.now);
    if (message.kind === "moved") moved(message.change);
  }
  if (tabs) tabs.onmessage = (event) => { hear(event.data); hearLead(event.data); };
  if (navigator.locks && tabs) navigator.locks.request("jindo-stream", () => new Promise(() => lead()));
  else lead();
  tabs?.postMessage({ kind: "hello", size: shownSize });
})();
