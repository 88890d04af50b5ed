// Filter and search of the findings. The report is complete without it: what needs this script is hidden until it runs.
(() => {
  "use strict";
  const tools = document.querySelector(".tools");
  if (!tools) return;
  const search = document.getElementById("search");
  const severity = document.getElementById("severity");
  const rule = document.getElementById("rule");
  const matches = document.getElementById("matches");
  const toggle = document.getElementById("toggle");
  const groups = [...document.querySelectorAll(".group")].map((element) => ({
    element,
    wasOpen: element.open,
    clusters: [...element.querySelectorAll(".cluster")],
    rows: [...element.querySelectorAll("tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
  }));
  tools.hidden = false;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const active = words.length > 0 || severity.value !== "" || rule.value !== "";
    let shown = 0;
    for (const { element, wasOpen, clusters, rows } of groups) {
      const wanted = rule.value === "" || rule.value === element.dataset.rule;
      let here = 0;
      for (const { row, text } of rows) {
        const fits =
          wanted &&
          (severity.value === "" || row.classList.contains("is-" + severity.value)) &&
          words.every((word) => text.includes(word));
        row.hidden = !fits;
        if (fits) here += 1;
      }
      for (const cluster of clusters) cluster.hidden = words.length > 0 || severity.value !== "";
      element.hidden = active && here === 0;
      element.open = active ? here > 0 : wasOpen;
      shown += here;
    }
    matches.textContent = active ? `${shown.toLocaleString("en")} of the findings shown here match` : "";
  };
  search.addEventListener("input", filter);
  severity.addEventListener("change", filter);
  rule.addEventListener("change", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());

  toggle.addEventListener("click", () => {
    const open = groups.some(({ element }) => !element.open);
    for (const group of groups) group.element.open = group.wasOpen = open;
    toggle.textContent = open ? "Close all" : "Open all";
  });
  // A link from the rules table opens the group it points to.
  const reveal = () => {
    const target = groups.find(({ element }) => "#" + element.dataset.rule === location.hash);
    if (target) target.element.open = target.wasOpen = true;
  };
  window.addEventListener("hashchange", reveal);
  reveal();
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
})();
