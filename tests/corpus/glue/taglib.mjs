// TagLib: tags of sound files, by embind.
import { readFileSync } from "node:fs";

const text = (value) => [...new TextEncoder().encode(value)];
const u32 = (n) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];
const wav = () => {
  const samples = Array.from({ length: 8000 }, (_, i) => (i * 7) & 255);
  const format = [1, 0, 1, 0, ...u32(8000), ...u32(8000), 1, 0, 8, 0];
  const chunks = [...text("WAVEfmt "), ...u32(16), ...format, ...text("data"), ...u32(samples.length), ...samples];
  return new Uint8Array([...text("RIFF"), ...u32(chunks.length), ...chunks]);
};

export async function work({ url, tell, modules }) {
  const { TagLib } = await import(url("package/dist/index.js"));
  const wasmBinary = readFileSync(modules["taglib-web.wasm"]);
  const taglib = await TagLib.initialize({ forceWasmType: "emscripten", wasmBinary });
  const answers = [];
  let bytes = wav();
  for (const title of ["one", "zwei ä", "三"]) {
    answers.push(
      await tell(async () => {
        const file = await taglib.open(bytes);
        const before = [file.isValid(), file.getFormat(), file.tag().title, file.audioProperties()?.sampleRate ?? null];
        file.setProperties({ TITLE: [title], ARTIST: ["nobody"], TRACKNUMBER: ["7"] });
        const saved = file.save();
        bytes = new Uint8Array(file.getFileBuffer());
        const after = [saved, file.properties(), bytes.length];
        file.dispose();
        return [before, after];
      }),
    );
  }
  for (const wrong of [new Uint8Array(0), new Uint8Array(100), wav().slice(0, 30), new Uint8Array(text("fLaC and no more")), new Uint8Array([...text("OggS"), ...Array(40).fill(255)])])
    answers.push(
      await tell(async () => {
        const file = await taglib.open(wrong);
        return [file.isValid(), file.properties()];
      }),
    );
  return answers;
}
