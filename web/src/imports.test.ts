import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL(".", import.meta.url));
/** Lowest first. A file imports only from its own folder and from lower ones. */
const FOLDERS = ["live", "format", "styles", "hooks", "components", "features", "app", "."];

const FILES = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));

/** Relative imports of a file, as paths from `src/`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import) "(\.[^"]+\.tsx?)"/g)].map(([, path]) =>
    relative(ROOT, join(ROOT, dirname(file), path ?? "")),
  );
}

function folderOf(file: string): string {
  return file.includes("/") ? (file.split("/")[0] ?? "") : ".";
}

/** Folder below `features/`. null for files elsewhere. */
function featureOf(file: string): string | null {
  return folderOf(file) === "features" ? (file.split("/")[1] ?? null) : null;
}

it("no folder imports from a higher folder, and no feature from another", () => {
  const violations = FILES.flatMap((file) =>
    importsOf(file)
      .filter(
        (target) =>
          FOLDERS.indexOf(folderOf(target)) > FOLDERS.indexOf(folderOf(file)) ||
          (featureOf(file) !== null && featureOf(target) !== null && featureOf(file) !== featureOf(target)),
      )
      .map((target) => `${file} imports ${target}`),
  );
  expect(violations).toEqual([]);
  expect(FILES.filter((file) => !FOLDERS.includes(folderOf(file)))).toEqual([]);
});

it("no files import each other in a circle", () => {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    expect(path, `circle: ${[...path, file].join(" → ")}`).not.toContain(file);
    if (!done.has(file)) {
      importsOf(file).forEach((target) => visit(target, [...path, file]));
      done.add(file);
    }
  };
  FILES.forEach((file) => visit(file, []));
});
