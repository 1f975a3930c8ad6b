"use strict";
(() => {
  const root = document.documentElement, choice = document.getElementById("language"), find = document.getElementById("find");
  choice.addEventListener("change", () => { root.dataset.language = choice.value; });
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const call of document.querySelectorAll("details.call"))
      call.classList.toggle("hidden", !words.every(word => call.dataset.find.includes(word)));
  });
  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    const call = target.closest("details.call");
    if (call) call.open = true;
    target.scrollIntoView({ block: "nearest" });
  };
  window.addEventListener("hashchange", open);
  open();
  document.addEventListener("play", event => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);
})();
