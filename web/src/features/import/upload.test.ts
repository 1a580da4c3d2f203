import { describe, expect, it } from "vitest";
import { type ImportLine, importSummary } from "../../format/import.ts";
import { newestLine, uploadAddress } from "./upload.ts";

const LINE: ImportLine = { done: true, rows: 1200, accepted: 1199, late: 0, rejected: 0, skipped: 1 };

describe("an import", () => {
  it("reads complete lines only", () => {
    expect(newestLine("")).toBeNull();
    expect(newestLine('{"rows":')).toBeNull();
    expect(newestLine('{"rows":1}\n{"rows":2}\n{"ro')).toEqual({ rows: 2 });
    expect(newestLine('{"rows":1}\n')).toEqual({ rows: 1 });
    expect(newestLine("nonsense\n")).toBeNull();
  });

  it("has its result in one sentence", () => {
    expect(importSummary(LINE)).toBe("1,200 rows read, 1,199 samples accepted, 1 rows or cells skipped.");
    expect(importSummary({ ...LINE, late: 9, skipped: 0 })).toContain("9 of them late");
  });

  it("is uploaded under the name of the file", () => {
    expect(uploadAddress("local", "a b.csv", "", true)).toBe(
      "/api/v1/workspaces/local/kpis/upload?name=a+b.csv&backfill=true",
    );
    expect(uploadAddress("local", "a.csv", "shop", false)).toContain("&kpi=shop");
  });
});
