"use strict";
/* Lets the values of a chart be read off: uPlot lies over what the server drew, on the same axes, and adds the cursor. */
(() => {
  const clear = { stroke: "transparent", points: { show: false } };

  function draw(place) {
    if (place.dataset.drawn || !window.uPlot) return;
    place.dataset.drawn = "yes";
    const data = JSON.parse(place.dataset.chart);
    const hasBand = data.bandLow.length > 0;
    const read = document.createElement("p");
    read.className = "chart-read small soft";
    const number = (value) => (value == null ? "no sample" : `${Number(value.toPrecision(3)).toLocaleString("en")} ${data.unit}`.trim());
    const say = (plot) => {
      const at = plot.cursor.idx;
      if (at == null) { read.textContent = ""; return; }
      const time = new Date(data.times[at] * 1000).toISOString().slice(11, 19);
      const usual = hasBand ? `; usual ${number(data.bandLow[at])} to ${number(data.bandHigh[at])}` : "";
      read.textContent = `${time} UTC: ${number(data.observed[at])}${usual}`;
    };
    const size = () => ({ width: place.clientWidth, height: place.clientHeight });
    const plot = new window.uPlot({
      ...size(), padding: [0, 0, 0, 0],
      legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { range: () => [data.from, data.to] }, y: { distr: data.log ? 3 : 1, range: () => [data.low, data.high] } },
      axes: [{ show: false }, { show: false }],
      series: [{}, clear],
      hooks: { setCursor: [say] },
    }, [data.times, data.observed], place);
    plot.root.setAttribute("aria-hidden", "true");
    place.closest(".lanes-canvas").append(read);
    new ResizeObserver(() => plot.setSize(size())).observe(place);
  }

  const all = () => document.querySelectorAll("[data-chart]").forEach(draw);
  document.addEventListener("DOMContentLoaded", all);
  new MutationObserver(all).observe(document.documentElement, { childList: true, subtree: true });
})();
