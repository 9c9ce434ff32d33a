"use strict";
/* Lets the values of a chart be read off: uPlot draws what the server drew, on the same axis, with a cursor. */
(() => {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faded = (hex) => (/^#[0-9a-f]{6}$/i.test(hex) ? hex + "33" : hex);

  function draw(place) {
    if (place.dataset.drawn || !window.uPlot) return;
    place.dataset.drawn = "yes";
    const data = JSON.parse(place.dataset.chart);
    const hasBand = data.bandLow.length > 0;
    const picture = place.querySelector("svg");
    const words = picture.getAttribute("aria-label");
    const read = document.createElement("p");
    read.className = "chart-read small soft";
    const say = (plot) => {
      const at = plot.cursor.idx;
      if (at == null) { read.textContent = ""; return; }
      const time = new Date(data.times[at] * 1000).toISOString().slice(11, 19);
      const number = (value) => (value == null ? "no sample" : Number(value).toPrecision(3));
      const usual = hasBand ? `; usual ${number(data.bandLow[at])} to ${number(data.bandHigh[at])}` : "";
      read.textContent = `${time} UTC: ${number(data.observed[at])}${usual}`;
    };
    const series = [{}, { stroke: color("--fault"), width: 2, spanGaps: false, points: { show: false } }];
    const columns = [data.times, data.observed];
    if (hasBand) {
      series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
      columns.push(data.bandHigh, data.bandLow);
    }
    const plot = new window.uPlot({
      width: place.clientWidth, height: 190, padding: [0, 0, 0, 0],
      legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { range: () => [data.from, data.to] }, y: { distr: data.log ? 3 : 1, range: () => [data.low, data.high] } },
      axes: [{ show: false }, { show: false }],
      series,
      bands: hasBand ? [{ series: [2, 3], fill: faded(color("--good")) }] : [],
      hooks: { setCursor: [say] },
    }, columns, place);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", words);
    picture.remove();
    place.closest(".lanes-canvas").append(read);
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 190 })).observe(place);
  }

  const all = () => document.querySelectorAll("[data-chart]").forEach(draw);
  document.addEventListener("DOMContentLoaded", all);
  new MutationObserver(all).observe(document.documentElement, { childList: true, subtree: true });
})();
