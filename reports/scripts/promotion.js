// Filter and search of changed answers. The report is complete without it: what needs this script is hidden until it runs.
(() => {
  "use strict";
  const tools = document.querySelector(".tools");
  if (!tools) return;
  const search = document.getElementById("search");
  const matches = document.getElementById("matches");
  const chosen = ["task", "slice", "change"]
    .map((name) => ({ name, select: document.getElementById("by-" + name) }))
    .filter(({ select }) => select);
  const items = [...document.querySelectorAll("#changed .item")].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
  }));
  tools.hidden = false;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of items) {
      const fits =
        chosen.every(({ name, select }) => select.value === "" || element.dataset[name] === select.value) &&
        words.every((word) => text.includes(word));
      element.hidden = !fits;
      if (fits) shown += 1;
    }
    const active = words.length > 0 || chosen.some(({ select }) => select.value !== "");
    matches.textContent = active ? `${shown.toLocaleString("en")} of the items shown here match` : "";
  };
  for (const { select } of chosen) select.addEventListener("change", filter);
  search.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
})();
