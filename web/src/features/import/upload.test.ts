import { afterEach, describe, expect, it, vi } from "vitest";
import { askedFor, columnWords, type ImportLine, importSummary, refusalWords, separatorName, tooOldWords, utcText } from "../../format/import.ts";
import { fetchPreview, newestLine, NO_OPTIONS, uploadAddress } from "./upload.ts";

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
    expect(importSummary(LINE)).toBe("1200 rows read, 1199 samples accepted, 1 row or cell skipped.");
    expect(tooOldWords({ count: 1_200, oldest: 86_400_000, kpi: "sales", history_days: 90 })).toBe(
      "1200 samples are older than the 90 days that the server keeps (storage.history_days). The oldest is from 1970-01-02, the first is of sales.",
    );
    expect(importSummary({ ...LINE, late: 9, skipped: 0 })).toContain("9 of them late");
    expect(importSummary({ ...LINE, late: 9, replaced: 4, skipped: 0 })).toBe(
      "1200 rows read, 1199 samples accepted, 5 of them late: kept, not scored, 4 of them replace an earlier value of the same time.",
    );
    expect(importSummary({ ...LINE, late: 4, replaced: 4 })).not.toContain("late");
  });

  it("is uploaded under the name of the file", () => {
    expect(uploadAddress("local", "a b.csv", NO_OPTIONS)).toBe(
      "/api/v1/workspaces/local/kpis/upload?name=a+b.csv&backfill=true",
    );
    expect(uploadAddress("local", "a.csv", { ...NO_OPTIONS, kpi: " shop ", history: false })).toContain("&kpi=shop");
  });

  it("sends what a person says about the file, and a dry run takes nothing", () => {
    const stated = { ...NO_OPTIONS, timeFormat: "day_first", decimal: "comma", timeZone: "Europe/Berlin" };
    const address = uploadAddress("local", "a.csv", stated, true);
    expect(address).toContain("&time_format=day_first&decimal=comma&time_zone=Europe%2FBerlin&dry_run=true");
    expect(uploadAddress("local", "a.csv", stated)).not.toContain("dry_run");
    expect(uploadAddress("local", "a.csv", { ...NO_OPTIONS, values: " a,b " })).toContain("&values=a%2Cb");
  });
});

describe("a preview", () => {
  afterEach(() => vi.unstubAllGlobals());

  /** Answers the next request. Returns the number of bytes that it sent. */
  async function sent(file: File, status = 200, body: unknown = {}): Promise<number> {
    const answer = vi.fn((_: string, request: RequestInit) => {
      void request;
      return Promise.resolve(new Response(JSON.stringify(body), { status }));
    });
    vi.stubGlobal("fetch", answer);
    await fetchPreview(fetch, file, "/upload", new AbortController().signal);
    return (answer.mock.calls[0]?.[1].body as Blob).size;
  }

  it("sends the beginning of a large CSV file, and the whole of a workbook", async () => {
    const large = new Uint8Array(5 << 20);
    expect(await sent(new File([large], "a.csv"))).toBe(4 << 20);
    expect(await sent(new File([large], "a.XLSX"))).toBe(5 << 20);
    expect(await sent(new File(["small"], "a.csv"))).toBe(5);
  });

  it("fails with the server's reason", async () => {
    await expect(sent(new File([""], "a.csv"), 400, { detail: "the file is empty" })).rejects.toThrow("the file is empty");
  });

  it("names the option that the server asks for", () => {
    expect(askedFor('the times of column "d" have more than one meaning: day_first or month_first; state the time format')).toBe(
      "timeFormat",
    );
    expect(askedFor('"1,234" may be a fraction or thousands; state the decimal sign: point or comma')).toBe("decimal");
    expect(askedFor('there is no time zone "x"')).toBe("timeZone");
    expect(askedFor('column "b" is empty in them; state it as a column of numbers (values=b)')).toBe("values");
    expect(askedFor('there is no column "b" that could hold numbers (values); the columns are time, a')).toBe("values");
    expect(askedFor("the file is empty")).toBeNull();
    expect(refusalWords("day_first or month_first.")).toBe("day first or month first");
  });

  it("says what becomes of each column", () => {
    const words = [
      { name: "t", role: "time" as const },
      { name: "v", role: "value" as const, becomes: "shop.v" },
      { name: "v", role: "value" as const },
      { name: "k", role: "kpi" as const },
      { name: "r", role: "label" as const, becomes: "region" },
      { name: "x", role: "unused" as const, reason: "it marks anomalies" },
    ].map(columnWords);
    expect(words).toEqual([
      "the time",
      "KPI shop.v",
      "the value of the row's KPI",
      "the name of the row's KPI",
      "label region",
      "not used: it marks anomalies",
    ]);
    expect(separatorName("\t")).toBe("tab");
    expect(utcText("2025-01-02T10:00:00Z")).toBe("2025-01-02 10:00:00 UTC");
  });
});
