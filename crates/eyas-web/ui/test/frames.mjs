// Measures what a frame costs the page itself, in headless Chromium:
//
//   node test/frames.mjs URL [SECONDS]
//
// Prints JSON: vehicles; frames a second; median and 95th percentile of a frame's time in JavaScript without the time
// inside of WebGL calls, ms; and the median time inside of them, which is that of the machine's graphics.

import { chromium } from "playwright-core";

const [url, seconds = "10"] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.EYAS_CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await page.addInitScript(() => {
  const measured = (window.measured = { own: [], graphics: [] });
  let inside = 0;
  const prototype = WebGL2RenderingContext.prototype;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value !== "function") continue;
    prototype[name] = function (...values) {
      const start = performance.now();
      const result = value.apply(this, values);
      inside += performance.now() - start;
      return result;
    };
  }
  const { requestAnimationFrame } = window;
  window.requestAnimationFrame = (draw) =>
    requestAnimationFrame((now) => {
      inside = 0;
      const start = performance.now();
      draw(now);
      // A frame in which nothing moves draws nothing.
      if (inside === 0) return;
      measured.own.push(performance.now() - start - inside);
      measured.graphics.push(inside);
    });
});
await page.goto(url);
await page.locator("#connection[data-connected=true]").waitFor();
await page.waitForTimeout(2000);
await page.evaluate(() => Object.values(window.measured).forEach((it) => (it.length = 0)));
await page.waitForTimeout(1000 * Number(seconds));
const { own, graphics } = await page.evaluate(() => window.measured);
const vehicles = await page.locator("#readouts div", { has: page.getByText("Vehicles", { exact: true }) }).locator("dd").textContent();
await browser.close();

const at = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))];
const rounded = (number) => Number(number.toFixed(2));
console.log(
  JSON.stringify({
    vehicles: parseInt(vehicles, 10),
    frames_per_s: rounded(own.length / Number(seconds)),
    own_ms: { median: rounded(at(own, 0.5)), p95: rounded(at(own, 0.95)) },
    graphics_ms: { median: rounded(at(graphics, 0.5)) },
  }),
);
