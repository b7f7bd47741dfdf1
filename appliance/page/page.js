"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const facts = JSON.parse($("facts").textContent);
  const root = document.documentElement;
  const PIECE = 1 << 20;

  /* ── Two languages, one shown at a time ── */

  function show(tongue) {
    root.dataset.shown = "one";
    root.dataset.tongue = tongue;
    root.lang = facts.tongues[tongue];
    document.querySelectorAll(".tongues button").forEach((button, n) => button.setAttribute("aria-pressed", String(n === tongue)));
  }
  document.querySelectorAll(".tongues button").forEach((button, n) => button.addEventListener("click", () => show(n)));
  if (facts.tongues.length > 1) show(0);

  function say(where, what, kind, places = {}) {
    const both = document.createElement("span");
    if (facts.tongues.length > 1) both.className = "two";
    facts.words[what].forEach((text, n) => {
      const one = document.createElement("span");
      one.lang = facts.tongues[n];
      one.textContent = text.replace(/\{(\w+)\}/g, (_, name) => (Array.isArray(places[name]) ? places[name][n] : places[name]));
      both.append(one);
    });
    where.className = `result ${kind}`;
    where.dataset.says = what;
    where.replaceChildren(both);
  }

  function clock(seconds) {
    const whole = Math.floor(seconds);
    return [whole / 3600, (whole / 60) % 60, whole % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
  }

  /* ── Listening ── */

  const audio = document.querySelector("audio");
  const drawing = document.querySelector("svg");
  const now = $("now");
  let chosenUrl = null;

  function goTo(seconds) {
    audio.currentTime = seconds;
    audio.play().catch(() => { $("cannot-play").hidden = false; });
  }
  document.querySelectorAll(".moments button").forEach((button) => button.addEventListener("click", () => goTo(Number(button.dataset.at))));
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    goTo(((event.clientX - box.left) / box.width) * facts.seconds);
  });
  audio.addEventListener("timeupdate", () => {
    const x = (audio.currentTime / facts.seconds) * 1000;
    now.setAttribute("x1", x);
    now.setAttribute("x2", x);
  });
  audio.addEventListener("error", () => { $("cannot-play").hidden = false; });

  function playChosen(file) {
    if (!audio.error && audio.readyState > 0) return;
    if (chosenUrl) URL.revokeObjectURL(chosenUrl);
    chosenUrl = URL.createObjectURL(file);
    audio.src = chosenUrl;
    $("cannot-play").hidden = true;
  }

  /* ── Checking ── */

  const result = $("result"), progress = $("progress");
  let turn = 0;

  async function bytesOf(file, begin, end) {
    return new Uint8Array(await file.slice(begin, end).arrayBuffer());
  }

  /* Where the browser can, into one and the same buffer: so the memory does not grow at all. */
  async function* pieces(file, begin, end) {
    let reader;
    try {
      reader = file.slice(begin, end).stream().getReader({ mode: "byob" });
    } catch (cannot) {
      for (let at = begin; at < end; at += PIECE) yield await bytesOf(file, at, Math.min(end, at + PIECE));
      return;
    }
    try {
      for (let buffer = new ArrayBuffer(PIECE); ; ) {
        const { done, value } = await reader.read(new Uint8Array(buffer));
        if (done) return;
        yield value;
        buffer = value.buffer;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  async function digest(file, begin, end, told) {
    const sha256 = new Sha256();
    for await (const piece of pieces(file, begin, end)) {
      sha256.update(piece);
      if (told && !told(sha256.length)) return null;
    }
    return sha256.hex();
  }

  async function check(file) {
    const mine = ++turn;
    const began = performance.now();
    progress.hidden = false;
    progress.value = 0;
    say(result, "checking", "");
    try {
      const hash = await digest(file, 0, file.size, (at) => {
        progress.value = (100 * at) / file.size;
        return mine === turn;
      });
      if (hash === null) return;
      const verdict = hash === facts.sha256 ? "intact" : (await belongsHere(file)) ? "changed" : "other";
      if (mine !== turn) return;
      const places = { name: file.name, length: clock((file.size - facts.at) / facts.frameBytes / facts.rate), own: clock(facts.seconds) };
      const sameLength = places.length === places.own;
      say(result, verdict === "changed" && !sameLength ? "changed-length" : verdict, verdict === "intact" ? "good" : "bad", places);
      result.dataset.milliseconds = Math.round(performance.now() - began);
      if (verdict === "intact") playChosen(file);
    } catch (error) {
      if (mine === turn) say(result, "unreadable", "bad", { name: file.name });
    }
    if (mine === turn) progress.hidden = true;
  }

  /* Of a file with another digest: is it this recording, changed, or another one? What its header says, or a second that is ours. */
  async function belongsHere(file) {
    const head = await bytesOf(file, 0, 4096);
    const text = new TextDecoder("latin1").decode(head);
    const bext = text.indexOf("bext");
    if (bext > 0 && text.substr(bext + 8 + 288, 32).replace(/\0+$/, "") === facts.id && text.substr(bext + 8 + 320, 18).replace(/\0/g, "") === facts.began) return true;
    const data = text.indexOf("data");
    for (const at of new Set([facts.at, data + 8])) {
      for (const second of facts.samples) {
        const begin = at + second.from * facts.frameBytes, end = begin + second.frames * facts.frameBytes;
        if (end <= file.size && (await digest(file, begin, end)) === second.sha256) return true;
      }
    }
    return false;
  }

  $("wav").addEventListener("change", (event) => { if (event.target.files[0]) check(event.target.files[0]); });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => { event.preventDefault(); root.classList.add("dropping"); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) root.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("dropping");
    if (event.dataTransfer.files[0]) check(event.dataTransfer.files[0]);
  });

  /* ── The receipt ── */

  $("typed").addEventListener("input", (event) => {
    const typed = event.target.value.toLowerCase().replace(/[^0-9a-z]/g, "").replace(/^sha256/, "");
    const where = $("typed-result");
    if (!typed) {
      where.replaceChildren();
      where.className = "result";
    } else if (typed === facts.sha256) say(where, "receipt-same", "good");
    else if (facts.sha256.startsWith(typed)) say(where, "receipt-more", "", { n: typed.length });
    else say(where, "receipt-other", "bad");
  });
})();
