// Builds ../static (or the folder named as the only argument) from src. The same sources give the same bytes.
import { build } from "esbuild";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const here = import.meta.dirname;
const target = resolve(process.argv[2] ?? join(here, "../static"));
const copied = ["index.html", "admin.html", "favicon.svg", "passfel.webmanifest", "icon-180.png", "icon-192.png", "icon-512.png"];

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/page.ts", "src/page.css", "src/admin.ts", "src/admin.css", "src/capture.worklet.ts", "src/playback.worklet.ts"],
  outdir: target,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  // The transport names Daily's media manager as a default that this page never uses.
  alias: { "@daily-co/daily-js": "./src/no-daily.ts" },
});

mkdirSync(target, { recursive: true });
for (const name of copied) cpSync(join(here, "src", name), join(target, name));

const folders = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) folders.add(found[1]);
}
const licences = [...folders].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
  // client-js states its licence without its text; the transport, by the same authors, carries the same one.
  const text = readFileSync(join(file ? folder : join(dirname(folder), "small-webrtc-transport"), file ?? "LICENSE"), "utf8");
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
});
writeFileSync(join(target, "licences.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
