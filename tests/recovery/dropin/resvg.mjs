// resvg: Rust by wasm-bindgen. Pictures are made of text.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64" viewBox="0 0 96 64">
  <defs>
    <linearGradient id="g"><stop offset="0" stop-color="#124"/><stop offset="1" stop-color="#fd6"/></linearGradient>
    <filter id="f"><feGaussianBlur stdDeviation="2"/></filter>
    <clipPath id="c"><circle cx="30" cy="30" r="25"/></clipPath>
  </defs>
  <rect width="96" height="64" fill="url(#g)"/>
  <path d="M5 60 C 20 0, 70 0, 90 60 Z" fill="none" stroke="red" stroke-width="3" filter="url(#f)"/>
  <g clip-path="url(#c)" transform="rotate(12 30 30)"><rect x="10" y="10" width="50" height="40" opacity=".5"/></g>
</svg>`;

let started = 0;

export async function open({ folder, modules }) {
  const url = `${pathToFileURL(join(folder, "index.mjs"))}?${started++}`;
  const { initWasm, Resvg } = await import(url);
  await initWasm(readFileSync(modules["resvg.wasm"]));
  return {
    work() {
      const answers = [32, 96, 150].map((width) => {
        const picture = new Resvg(SVG, { fitTo: { mode: "width", value: width } });
        const rendered = picture.render();
        const { x, y } = picture.getBBox();
        const png = createHash("sha256").update(rendered.asPng()).digest("hex");
        const answer = [picture.width, picture.height, rendered.width, x, y, png, picture.toString().length];
        picture.free();
        return answer;
      });
      for (const wrong of ["<svg", "", "<svg xmlns='http://www.w3.org/2000/svg'><use href='#x'/></svg>"]) {
        try {
          answers.push([typeof new Resvg(wrong).render().asPng()]);
        } catch (error) {
          answers.push([String(error)]);
        }
      }
      return answers;
    },
    // What finalizers are to free, some time.
    litter: () => void Array.from({ length: 20 }, () => new Resvg(SVG).render()),
    aborts: {
      "out of bounds": () => {
        const picture = new Resvg(SVG);
        picture.__wbg_ptr = 0xfffffff0;
        return picture.width;
      },
      // wasm-bindgen throws an exception of JavaScript for it, past frames that have no handlers.
      "a null pointer": () => {
        const picture = new Resvg(SVG);
        picture.free();
        return picture.width;
      },
    },
  };
}
