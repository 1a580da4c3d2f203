import { describe, expect, it } from "vitest";
import { newestLine, outcome, uploadAddress, type ImportLine } from "./import.ts";

const LINE: ImportLine = { done: true, rows: 1200, accepted: 1199, late: 0, rejected: 0, skipped: 1 };

describe("the answer to an import", () => {
  it("is read from whole lines only", () => {
    expect(newestLine("")).toBeNull();
    expect(newestLine('{"rows":')).toBeNull();
    expect(newestLine('{"rows":1}\n{"rows":2}\n{"ro')).toEqual({ rows: 2 });
    expect(newestLine('{"rows":1}\n')).toEqual({ rows: 1 });
    expect(newestLine("nonsense\n")).toBeNull();
  });

  it("is told in a sentence", () => {
    expect(outcome(LINE)).toBe("1,200 rows read, 1,199 samples taken, 1 rows or cells skipped.");
    expect(outcome({ ...LINE, late: 9, skipped: 0 })).toContain("9 of them not newer");
  });

  it("is asked for under the name of the file", () => {
    expect(uploadAddress("local", "a b.csv", "", true)).toBe(
      "/api/v1/workspaces/local/kpis/upload?name=a+b.csv&backfill=true",
    );
    expect(uploadAddress("local", "a.csv", "shop", false)).toContain("&kpi=shop");
  });
});
