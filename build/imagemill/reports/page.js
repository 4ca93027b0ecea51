"use strict";
// Hides what the form leaves out. The page is whole without this.
(() => {
  const form = document.getElementById("filter");
  const images = [...document.querySelectorAll("details.image")].map((element) => ({
    element,
    title: element.querySelector("summary").textContent.toLowerCase(),
    open: element.open,
    rows: document.querySelectorAll(`tr[data-image="${element.id}"]`),
    findings: [...element.querySelectorAll(".finding")].map((finding) => ({
      element: finding,
      text: finding.textContent.toLowerCase(),
    })),
  }));
  const ticked = (name) =>
    new Set([...form.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value));

  function apply() {
    const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = ticked("status");
    const platforms = ticked("platform");
    const whole = !words.length && statuses.size === form.querySelectorAll("input[name=status]").length;
    let shown = 0;
    let all = 0;
    for (const image of images) {
      const here = platforms.has(image.element.dataset.platform);
      let count = 0;
      for (const finding of image.findings) {
        const fits =
          here &&
          statuses.has(finding.element.dataset.status) &&
          words.every((word) => image.title.includes(word) || finding.text.includes(word));
        finding.element.hidden = !fits;
        count += fits;
        all += 1;
      }
      image.element.hidden = !count;
      image.element.open = whole ? image.open : count > 0 && count <= 20;
      for (const row of image.rows) row.hidden = !count;
      shown += count;
    }
    document.getElementById("shown").textContent = `${shown} of ${all} findings`;
  }

  function reveal() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const image = target && target.closest("details.image");
    if (!image) return;
    image.open = true;
    target.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", reveal);
  apply();
  reveal();
})();
